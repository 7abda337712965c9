/* fuzz.h - what the fuzz targets share: their entry, files to read an input from, and a check that no build leaves out.
 *
 * Readers of files get files: an input is written into the folder that FUZZ_FOLDER names (empty, on a tmpfs when many inputs are to
 * run). Input of a reader of several files is their texts with FUZZ_CUT between. Mapped files end at their last byte, not at the end
 * of the page, when the address sanitizer watches (fuzz.c). */
#ifndef DREAMVLA_TESTS_FUZZ_FUZZ_H
#define DREAMVLA_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_CUT "\n--8<--\n"

/* The target: what it does with any bytes. Returns 0; a finding is a crash, or fuzz_require's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the process, as a crash does, when the condition does not hold. */
#define fuzz_require(condition) ((condition) ? (void)0 : fuzz_finding(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_finding(const char *file, int line, const char *condition);

const char *fuzz_folder(void);

/* Writes a file of the folder, or removes it when data is NULL. */
void fuzz_write(const char *name, const uint8_t *data, size_t n);

/* Writes the parts of an input into files of these names; those whose part is empty or missing are removed. */
void fuzz_write_parts(const uint8_t *data, size_t n, const char *const *names, uint32_t n_names);

/* Reads every byte, so that one that may not be read is found. */
void fuzz_touch(const void *data, size_t n);

#endif
