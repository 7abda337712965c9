# dreamvla - see README.md. Two commands do everything on a fresh Debian 12: `make demo` and `make check`.
#
#   make                  build                       make V=1          show the commands
#   make demo             build and run the main job  make check        build and run every quick test
#   make demo ROBOT=franka-fci                        the same with a simulated Franka behind its own control interface,
#   make demo ROBOT=piper                             a simulated PiPER on its CAN bus, ROBOT=piper-pair with two of them
#   make check-full       also sanitizers and lint    make bench        measure
#   make SAN=address,undefined | SAN=thread           make CUDA=auto|0|1
#   make install PREFIX=/usr DESTDIR=pkg              make deps         install the Debian packages below

PREFIX ?= /usr/local
DESTDIR ?=
CUDA ?= auto
SAN ?=
PYTHON ?= /usr/bin/python3
NVCC ?= nvcc
Q := $(if $(V),,@)

# The one list of Debian packages: to build, to test, to lint.
PACKAGES_BUILD := build-essential pkg-config libzmq3-dev libmsgpack-dev libyaml-dev libturbojpeg0-dev \
	libjansson-dev libpcre2-dev libutf8proc-dev libdnnl-dev libsystemd-dev zlib1g-dev libzstd-dev libevdev-dev
PACKAGES_TEST := libcmocka-dev python3 python3-zstandard python3-venv python3-zmq python3-msgpack python3-numpy rt-tests
PACKAGES_LINT := cppcheck universal-ctags
PACKAGES := $(PACKAGES_BUILD) $(PACKAGES_TEST) $(PACKAGES_LINT)

comma := ,
VARIANT := $(if $(SAN),$(subst $(comma),-,$(SAN)),release)
B ?= build/$(VARIANT)

# auto: with CUDA where there is a compiler for it, but not in sanitized builds, whose shadow memory CUDA's driver does not know.
NVCC_PATH := $(shell command -v $(NVCC))
override CUDA := $(if $(filter auto,$(CUDA)),$(if $(SAN),0,$(if $(NVCC_PATH),1,0)),$(CUDA))

# Asking for what is not there is an error, not a build without it.
$(if $(filter 1,$(CUDA)),$(if $(NVCC_PATH),,$(error CUDA=1: $(NVCC) is not there; install a CUDA toolkit, name its compiler with NVCC=, or use CUDA=0)))

# Code for A100 and H100/H200, and PTX, from which the driver makes code for what comes later when a program first runs there.
CUDA_ARCH ?= -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90 -gencode=arch=compute_90,code=compute_90
CUDA_HOME := $(patsubst %/bin/$(notdir $(NVCC)),%,$(realpath $(NVCC_PATH)))
NVCC_FLAGS = -std=c++17 -O3 $(CUDA_ARCH) -Xcompiler -Wall,-Wextra,-Wno-missing-field-initializers,-fno-exceptions,-fno-threadsafe-statics

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wno-missing-field-initializers
CPPFLAGS += -I. -D_GNU_SOURCE $(if $(filter 1,$(CUDA)),-DHAVE_CUDA=1)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) -pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
	$(if $(filter thread,$(SAN)),$(if $(findstring clang,$(CC)),-D__SANITIZE_THREAD__,-Wno-tsan)) # gcc follows no fences; what they order here is atomic, and so no race to it
LDFLAGS += $(if $(SAN),-fsanitize=$(SAN)) -pthread

# Inner loops that only -O3 turns into vector instructions. -fno-trapping-math lets comparisons be part of them; it changes no value
# (NaN included), only which exception flags a discarded lane may raise, and nobody reads those.
CFLAGS_policy_image_resize := -O3 -fno-trapping-math -ffp-contract=off
CFLAGS_policy_compute_cpu_linear := -O3 -fno-trapping-math
CFLAGS_policy_compute_cpu_attention := -O3 -fno-trapping-math
CFLAGS_policy_compute_cuda_device = -idirafter $(CUDA_HOME)/include
CFLAGS_policy_compute_cuda_cublas = -idirafter $(CUDA_HOME)/include
CFLAGS_daemon_bench_bench_gpu_profiler = -idirafter $(CUDA_HOME)/include
CFLAGS_tests_unit_policy_test_cublas = -idirafter $(CUDA_HOME)/include

# Areas: each is one archive; LIBS_<area> are the system libraries it needs.
AREAS := daemon teleop camera record transport infer policy robots setup config stage model sys
SOURCES_sys := $(wildcard daemon/sys/*.c)
SOURCES_stage := $(wildcard daemon/stage/*.c)
SOURCES_model := $(wildcard robots/model/*.c)
SOURCES_setup := $(wildcard robots/setup/*.c)
SOURCES_config := $(wildcard config/*.c)
SOURCES_policy := $(wildcard policy/*.c policy/head/*.c policy/compute/*.c policy/compute/cpu/*.c \
	$(if $(filter 1,$(CUDA)),policy/compute/cuda/*.c policy/compute/cuda/*.cu))
SOURCES_infer := $(filter-out %/main.c,$(wildcard policy/infer/*.c))
SOURCES_transport := $(wildcard transport/*.c transport/message/*.c)
SOURCES_robots := $(filter-out %/main.c robots/franka/library.c,$(wildcard robots/*.c robots/arm/*.c robots/sim/*.c robots/sim/task/*.c robots/sim/franka/*.c robots/sim/piper/*.c robots/franka/*.c robots/piper/*.c robots/bus/*.c))
SOURCES_teleop := $(filter-out %/main.c,$(wildcard robots/teleop/*.c))
# The container of recordings alone, which cameras read too.
SOURCES_record := $(wildcard daemon/record/mcap_*.c) daemon/record/bytes.c
SOURCES_daemon := $(filter-out %/main.c,$(filter-out $(SOURCES_record),$(wildcard daemon/*.c daemon/record/*.c daemon/ctl/*.c daemon/doctor/*.c daemon/bench/*.c daemon/trial/*.c)))
SOURCES_camera := $(filter-out %/main.c,$(wildcard transport/camera/*.c))
LIBS_sys := -lturbojpeg
LIBS_config := -lyaml
LIBS_policy := -ljansson -lpcre2-8 -lutf8proc -ldnnl -lgomp -lz $(if $(filter 1,$(CUDA)),-L$(CUDA_HOME)/lib64 -lcudart_static -lrt)
LIBS_transport := -lzmq -lmsgpackc
LIBS_camera := -ljansson
LIBS_teleop := -levdev -ljansson
LIBS_daemon := -lsystemd -ljansson
LIBS_record := -lzstd -lz

# Who may use whom; also the link order. A program or test of an area links exactly these.
USES_sys := sys
USES_stage := stage model sys
USES_model := model stage sys
USES_config := config sys
USES_setup := setup config model stage sys
USES_policy := policy sys
USES_transport := transport sys
USES_camera := camera record transport config sys
USES_record := record sys
USES_robots := robots transport setup config stage model sys
USES_teleop := teleop robots transport setup config stage model sys
USES_daemon := daemon record transport policy setup config stage model sys
USES_ctl := daemon record transport setup config stage model sys policy
USES_bench := daemon record transport policy robots setup config stage model sys
USES_infer := infer policy sys

archives = $(foreach a,$(USES_$(1)),$B/lib$(a).a)
libraries = $(sort $(foreach a,$(USES_$(1)),$(LIBS_$(a)))) -lm -ldl

PROGRAMS := dreamvlad dreamvla-arm dreamvla-sim dreamvla-infer dreamvlactl dreamvla-teleop dreamvla-camera dreamvla-bench
MAIN_dreamvlad := daemon/main.c
MAIN_dreamvla-arm := robots/arm/main.c
MAIN_dreamvla-sim := robots/sim/main.c
MAIN_dreamvla-infer := policy/infer/main.c
MAIN_dreamvlactl := daemon/ctl/main.c
MAIN_dreamvla-teleop := robots/teleop/main.c
MAIN_dreamvla-camera := transport/camera/main.c
MAIN_dreamvla-bench := daemon/bench/main.c
AREA_dreamvlad := daemon
AREA_dreamvla-arm := robots
AREA_dreamvla-sim := bench
AREA_dreamvla-infer := infer
AREA_dreamvlactl := ctl
AREA_dreamvla-teleop := teleop
AREA_dreamvla-camera := camera
AREA_dreamvla-bench := bench

UNIT := $(patsubst %.c,$B/%,$(wildcard tests/unit/*/test_*.c))

all: $(addprefix $B/,$(PROGRAMS))
	@echo "built in $B ($(if $(filter 1,$(CUDA)),with,without) CUDA)"

# $(call keep,TEXT,FILE): FILE holds TEXT; written only when that changes, so that what depends on it is not made anew for nothing.
keep = printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $(2) || printf '%s\n' '$(subst ','\'',$(1))' > $(2)

# An archive is made anew also when one of its sources is gone. (ar's r would take files of one name in two folders for one.)
define area_rule
$B/lib$(1).a: $(patsubst %,$B/%.o,$(basename $(SOURCES_$(1)))) $B/lib$(1).list
	@rm -f $$@
	$(Q)ar qcs $$@ $$(filter %.o,$$^)

$B/lib$(1).list: FORCE
	@mkdir -p $$(@D)
	@$$(call keep,$$(SOURCES_$(1)),$$@)
endef
$(foreach a,$(AREAS),$(eval $(call area_rule,$(a))))

define program_rule
$B/$(1): $B/$(patsubst %.c,%.o,$(MAIN_$(1))) $(call archives,$(AREA_$(1)))
	@echo "LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(call libraries,$(AREA_$(1))) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

define unit_rule
$B/tests/unit/$(1)/test_%: $B/tests/unit/$(1)/test_%.o $(call archives,$(1))
	@echo "LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(call libraries,$(1)) -lcmocka -o $$@
endef
$(foreach a,$(AREAS) bench,$(eval $(call unit_rule,$(a))))

# Backend cuda-host, for tests: all of backend cuda but the GPU, its kernels built by the host's compiler. Only its table is to be seen, for
# the rest has the names that backend cuda has.
CUDA_HOST_SOURCES := $(filter-out %/device.c %/cublas.c,$(wildcard policy/compute/cuda/*.c)) $(wildcard policy/compute/cuda/*.cu tests/cuda_host/*.c)

$B/tests/cuda_host/%.o: % $B/flags
	@mkdir -p $(@D)
	@echo "CC   $< (host)"
	$(Q)$(CC) $(CPPFLAGS) -DCUDA_HOST=1 $(ALL_CFLAGS) -O3 -MMD -MP -x c -c $< -o $@

$B/tests/cuda_host/backend.o: $(patsubst %,$B/tests/cuda_host/%.o,$(CUDA_HOST_SOURCES))
	$(Q)ld -r $^ -o $@
	$(Q)objcopy $(patsubst %,--keep-global-symbol=%,compute_backend_cuda_host cuda_host_counts cuda_host_kernels_left cuda_host_print_skipped) $@

# The list of backends with that one in it, in place of the archive's.
$B/tests/cuda_host/compute.o: policy/compute/compute.c $B/flags
	@mkdir -p $(@D)
	@echo "CC   $< (with cuda-host)"
	$(Q)$(CC) $(CPPFLAGS) -DHAVE_CUDA_HOST=1 $(ALL_CFLAGS) -MMD -MP -c $< -o $@

CUDA_HOST := $B/tests/cuda_host/compute.o $B/tests/cuda_host/backend.o

# These run on both.
$B/tests/unit/bench/test_autoregressive $B/tests/unit/bench/test_gpu $B/tests/unit/policy/test_policy_on_device: $(CUDA_HOST)

# Every operation of every compute backend against its definition.
CONFORM := $(patsubst %.c,$B/%.o,$(wildcard tests/conform/*.c))

$B/tests/conform/conform: $(CONFORM) $(CUDA_HOST) $(call archives,policy)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(call libraries,policy) -o $@

$B/tests/cuda_host/dreamvla-infer: $B/policy/infer/main.o $(CUDA_HOST) $(call archives,infer)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(call libraries,infer) -o $@

# dreamvlad on a device that a test takes away: the product's objects, and a compute table in front of its own.
$B/tests/lost_device/dreamvlad: $B/daemon/main.o $B/tests/lost_device/backend.o $(call archives,daemon)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=compute_backend_find $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call libraries,daemon) -o $@

# Scenarios: all of dreamvlad and its arms in one process on virtual time. Clock, sockets and network are the scenario's own, so that
# its objects come before the archives that hold the real ones.
SCENARIO := $(patsubst %.c,$B/%.o,$(wildcard tests/scenario/*.c))

$B/tests/scenario/scenario: $(SCENARIO) $(call archives,bench)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call libraries,bench) -o $@

# The fuzz targets on files, without libFuzzer; tests/fuzz/run.sh fuzzes.
REPLAY := $(patsubst tests/fuzz/fuzz_%.c,$B/tests/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))

$B/tests/fuzz/replay_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/replay.o $B/tests/fuzz/fuzz.o $(call archives,daemon) $(call archives,robots)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=mmap,--wrap=munmap $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(sort $(call libraries,daemon) $(call libraries,robots)) -o $@

$B/tests/fuzz/seed_messages: $B/tests/fuzz/seed_messages.o $(call archives,transport)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(call libraries,transport) -o $@

# Lets tests compare our PiPER frames with those of its maker's SDK.
$B/tests/peers/piper_wire: $B/tests/peers/piper_wire.o $(call archives,robots)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lm -o $@

# Moves an arm on the emulated machine, which has no dreamvlad.
$B/tests/emulated/mover: $B/tests/emulated/mover.o $(call archives,robots)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call libraries,robots) -o $@

# A webcam there.
$B/tests/emulated/webcam: $B/tests/emulated/webcam.o $B/tests/emulated/uvc.o $(call archives,camera)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call libraries,camera) -o $@

# What dreamvla-camera sends there.
$B/tests/emulated/viewer: $B/tests/emulated/viewer.o $(call archives,camera)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call libraries,camera) -o $@

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c $< -o $@

$B/%.o: %.cu $B/flags
	@mkdir -p $(@D)
	@echo "NVCC $<"
	$(Q)$(NVCC) $(CPPFLAGS) $(NVCC_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

# The model libraries that the simulated Frankas serve: for their clients, which know nothing of sanitizers.
FRANKA_LIBRARY_SOURCES := robots/franka/library.c robots/franka/dynamics.c daemon/stage/kinematics.c daemon/stage/geometry.c
FRANKA_LIBRARIES := $B/robots/franka/library_panda.so $B/robots/franka/library_fr3.so
$B/robots/franka/library_%.so: $(FRANKA_LIBRARY_SOURCES) robots/franka/inertia_%.c robots/model/%.c robots/franka/dynamics.h $B/flags
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(CPPFLAGS) -std=c11 $(WARN) -O2 -fPIC -shared -Wl,-Bsymbolic -DFRANKA_DYNAMICS=franka_dynamics_$* $(filter %.c,$^) -lm -o $@

$B/robots/sim/franka/library_bytes.o: $(FRANKA_LIBRARIES)
CFLAGS_robots_sim_franka_library_bytes = -DFRANKA_LIBRARIES='"$B/robots/franka/library_"'

# The film's page is a part of the program.
$B/daemon/bench/bench_film_page.o: daemon/bench/film.html

# Rebuilds everything when the flags change, not when the clock does.
FLAGS = $(CC) $(if $(filter 1,$(CUDA)),$(NVCC_PATH) $(NVCC_FLAGS)) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) $(foreach v,$(sort $(filter CFLAGS_%,$(.VARIABLES))),$(v)=$($(v)))
$B/flags: FORCE
	@mkdir -p $B
	@$(call keep,$(FLAGS),$@)

unit: $(UNIT) $B/tests/scenario/scenario $(REPLAY) $B/tests/fuzz/seed_messages $B/tests/conform/conform \
	$B/tests/cuda_host/dreamvla-infer $B/tests/lost_device/dreamvlad $B/tests/peers/piper_wire

# Every scenario as a picture. One that fails is drawn too, up to where it failed.
scenario-plots: $B/tests/scenario/scenario
	@mkdir -p $B/scenario-plots
	@rc=0; for f in tests/scenario/cases/*.scn; do \
		$< --plot $B/scenario-plots/$$(basename $$f .scn).svg $$f || rc=1; done; echo "pictures in $B/scenario-plots"; exit $$rc

# Loaded into the programs by tests and benchmarks only: what counts the heap's use by thread and caller, and the kernel's half of input devices.
preload: $(patsubst %.c,$B/%.so,$(wildcard tests/preload/*.c))

$B/tests/preload/%.so: tests/preload/%.c $B/flags
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(CPPFLAGS) -std=c11 $(WARN) $(CFLAGS) -shared -fPIC -pthread $< -ldl -o $@

deps:
	@tests/deps.sh $(PACKAGES)

# Which robot the demo drives: sim, franka-fci, piper or piper-pair.
ROBOT ?= sim

# The demo policy is a Franka's. Without it, or for another arm, random weights move the arm.
DEMO = $(if $(and $(filter sim franka-fci,$(ROBOT)),$(wildcard policy/demo/config.json)),show,demo)

# deps may install what the build needs, so the build starts in a second make.
demo: deps
	@$(MAKE) --no-print-directory all
	@$B/dreamvla-bench $(DEMO) --programs $B --robot $(ROBOT)

check: deps
	@$(MAKE) --no-print-directory all unit preload
	@B=$B SAN=$(SAN) PYTHON=$(PYTHON) tests/run.sh $(if $(FINDINGS),--findings,$(if $(SECOND_TRY),--second-try)) quick

check-full: check check-extra

# What check-full adds; .ci/run asks for it after check has run.
check-extra: check-long check-sanitizers check-threads check-peers check-emulated lint

# A build of its own, also when B was given.
variant = $(if $(filter file,$(origin B)),build/$(1),$B-$(1))

# Tests that make check has no time for.
check-long: deps
	@$(MAKE) --no-print-directory all preload
	@B=$B PYTHON=$(PYTHON) tests/run.sh $(if $(SECOND_TRY),--second-try) long

check-sanitizers:
	@$(MAKE) --no-print-directory check FINDINGS=1 SAN=address,undefined B=$(call variant,address-undefined)

# What only a GPU can show: logs, numbers and a summary in RESULTS. Skipped where there is none.
RESULTS ?= build/gpu
check-gpu: deps
	@$(MAKE) --no-print-directory all unit
	@B=$B PYTHON=$(PYTHON) tests/gpu.sh $(RESULTS) $(PARTS) || [ $$? -eq 77 ]

# What crosses threads, under ThreadSanitizer: the hand-over, the tapes, the cpu backend's crew, a Franka's link, hand and driver, a leader's bus, and the whole dreamvlad and arms
# peers, in AUTO and TELEOP too. clang's follows stand-alone fences, gcc's does not: where clang is missing, that is said. It knows no
# layout of memory that is more random than 28 bits; setarch takes the randomness away, where that is permitted.
THREAD_UNITS := unit/sys/test_handover unit/sys/test_tape unit/policy/test_compute_threads unit/robots/test_franka_link unit/robots/test_franka_hand_link unit/robots/test_piper_link unit/teleop/test_bus_ear
THREAD_TESTS := $(THREAD_UNITS) system/test_daemon_teleop integration/test_arm$$ integration/test_franka_driver integration/test_piper_driver
THREAD_CC := $(if $(shell command -v clang),clang,$(CC))
CALM := $$(setarch -R true 2>/dev/null && echo setarch -R)

check-threads: deps
	@$(if $(findstring clang,$(THREAD_CC)),,echo "check-threads: no clang (Debian package clang): $(CC)'s ThreadSanitizer does not follow fences")
	@$(MAKE) --no-print-directory SAN=thread B=$(call variant,thread) CC="$(THREAD_CC)" all $(addprefix $(call variant,thread)/tests/,$(THREAD_UNITS))
	@if [ -z "$(CALM)" ] && [ "$$(cat /proc/sys/vm/mmap_rnd_bits)" -gt 28 ]; then \
		echo "ThreadSanitizer needs setarch -R or vm.mmap_rnd_bits of at most 28: this machine has neither"; \
		echo "0 passed, 0 failed, $(words $(THREAD_TESTS)) skipped"; \
	else B=$(call variant,thread) SAN=thread $(CALM) tests/run.sh --findings quick $(foreach t,$(THREAD_TESTS),'$t'); fi

# The demo policy from nothing: episodes of the expert, training, episodes in states that a first version gets into, more training (hours in all), the
# checkpoint. TORCH: a Python with torch and safetensors; TRAIN: a folder with 12 GB to spare; more options of train.py in TRAIN_OPTIONS. It goes
# on where it was stopped.
TORCH ?= python3
TRAIN ?= build/train
train-demo: all
	mkdir -p $(TRAIN)
	[ -d $(TRAIN)/episodes ] || { $B/dreamvla-sim --expert 1500 --seed 1 --config config/demo-pick.yaml --out $(TRAIN)/new && \
		$B/dreamvla-sim --expert 1250 --seed 10001 --task put --config config/demo-pick.yaml --out $(TRAIN)/new && mv $(TRAIN)/new $(TRAIN)/episodes; }
	[ -d $(TRAIN)/dagger ] || { \
		$(TORCH) policy/train/train.py --data $(TRAIN)/episodes --out $(TRAIN) --samples 120000 $(TRAIN_OPTIONS) && \
		$(TORCH) policy/train/export.py --from $(TRAIN)/last.pt --to $(TRAIN)/first --data $(TRAIN)/episodes --infer $B/dreamvla-infer && \
		$B/dreamvla-sim --expert 600 --seed 500000 --config config/demo-pick.yaml --policy $(TRAIN)/first --mode inpaint --latency-ms 300 --out $(TRAIN)/new && \
		mv $(TRAIN)/new $(TRAIN)/dagger; }
	$(TORCH) policy/train/train.py --data $(TRAIN)/episodes --data $(TRAIN)/dagger --out $(TRAIN) --samples 1000000 --eyes 60000 $(TRAIN_OPTIONS)
	$(TORCH) policy/train/export.py --from $(TRAIN)/last.pt --to $(TRAIN)/checkpoint --data $(TRAIN)/episodes --infer $B/dreamvla-infer
	$B/dreamvla-sim --evaluate 200 --seed 1000000 --config config/demo-pick.yaml --policy $(TRAIN)/checkpoint

# How often a checkpoint does the task, by method of execution and latency, by steps, and with faults: N episodes of each of some thirty
# conditions, minutes to hours; it goes on where it was stopped. POLICY: the checkpoint's folder, or expert.
POLICY ?= policy/demo
N ?= 200
figures: all
	policy/train/figures.py --policy $(POLICY) --out build/figures --episodes $(N) --program $B/dreamvla-sim

# Robots' own clients, as their users install them, against our simulated robots.
check-peers: deps
	@$(MAKE) --no-print-directory all $B/tests/peers/piper_wire
	@tests/peers/environments.sh build/peers
	@B=$B tests/run.sh $(if $(SECOND_TRY),--second-try) peers

# SocketCAN and V4L2 cameras on a real kernel, which most build machines' own do not have: Debian's, emulated. One to some minutes, as busy as the machine is.
check-emulated: deps
	@$(MAKE) --no-print-directory all $B/tests/unit/robots/test_bus $B/tests/emulated/mover $B/tests/emulated/viewer $B/tests/emulated/webcam
	@B=$B tests/emulated/run.sh build/emulated

lint: deps
	@$(MAKE) --no-print-directory all
	@B=$B tests/lint/run.sh

bench: deps
	@$(MAKE) --no-print-directory all preload
	@$B/dreamvla-bench control --programs $B
	@$(if $(filter 1,$(CUDA)),if [ -e /dev/nvidiactl ]; then $B/dreamvla-bench gpu; else echo "no GPU here: dreamvla-bench gpu left out"; fi,:)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/dreamvla/config $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(addprefix $B/,$(PROGRAMS)) robots/piper/can-up.sh $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(filter-out config/demo%,$(wildcard config/*.yaml)) $(DESTDIR)$(PREFIX)/share/dreamvla/config
	set -e; for unit in $(wildcard systemd/*.service); do \
		sed 's|@PREFIX@|$(PREFIX)|g' $$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit); done
	install -D -m 644 systemd/dreamvla.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/dreamvla.conf
	install -d $(DESTDIR)$(PREFIX)/share/dreamvla/udev
	sed 's|@PREFIX@|$(PREFIX)|g' systemd/85-dreamvla-can.rules > $(DESTDIR)$(PREFIX)/share/dreamvla/udev/85-dreamvla-can.rules

clean:
	rm -rf build

FORCE:
.PHONY: all unit preload scenario-plots deps demo check check-full check-extra check-long check-sanitizers check-threads check-peers check-emulated check-gpu lint bench train-demo figures install clean FORCE
.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)
