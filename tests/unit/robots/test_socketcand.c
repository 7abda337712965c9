/* test_socketcand.c - the socketcand server among clients that nobody keeps in order, and the client before servers that are none: text
 * in any pieces, lines that are none, a megabyte without an end, clients that do not read, vanish, come back, and are too many.
 * In real time: sockets and threads. */
#include "tests/unit/robots/bus_bench.h"

#include <errno.h>

enum { MEGABYTE = 1 << 20 };

static struct bus_frame from_server(struct bus *server)
{
	return wait_frame(server, NULL);
}

/* ---- the server's manners --------------------------------------------------------------------------------------------- */

static void a_client_is_greeted_and_let_in_step_by_step(void **state)
{
	struct bus *server = serve();
	int fd = tcp_connect(port_of_bus(server));
	char text[256];

	(void)state;
	tcp_expect(fd, server, "< hi >");
	tcp_say(fd, "< send 155 0 >"); /* before a bus is open */
	tcp_expect(fd, server, "< error unknown command >");
	tcp_say(fd, "< rawmode >");
	tcp_expect(fd, server, "< error unknown command >");
	tcp_say(fd, "< open can0 >< echo >");
	tcp_expect(fd, server, "< ok >< echo >");
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 })); /* not yet in raw mode: nothing comes */
	tcp_say(fd, "< send 155 0  >< rawmode >< echo >"); /* as python-can writes no data */
	assert_int_equal(from_server(server).id, 0x155);
	tcp_hear(fd, server, text, sizeof text, "< echo >");
	assert_string_equal(text, "< ok >< echo >");
	close(fd);
	bus_destroy(server);
}

static void another_channel_is_refused(void **state)
{
	struct bus *server = serve_at("socketcand://127.0.0.1:0/can1"), *client = NULL;
	char address[64], text[256];
	int fd;

	(void)state;
	snprintf(address, sizeof address, "%s", bus_address(server));
	assert_string_equal(strrchr(address, '/'), "/can1");
	*strrchr(address, '/') = '\0'; /* can0 */
	assert_int_equal(open_served(server, &(struct bus_options){ address }, &client), -EACCES);
	assert_non_null(strstr(bench_error.text, "/can0: the server refuses: could not open bus"));
	fd = tcp_connect(port_of_bus(server));
	tcp_say(fd, "< open can2 >");
	tcp_hear(fd, server, text, sizeof text, "nothing after it");
	assert_string_equal(text, "< hi >< error could not open bus >");
	close(fd);
	bus_destroy(server);
}

/* python-can reads each answer by itself and takes what comes with it for a part of it. */
static void frames_do_not_come_with_the_answer_to_rawmode(void **state)
{
	struct bus *server = serve();
	bool seen = false;

	(void)state;
	for (int attempt = 0; attempt < 50 && !seen; attempt++) {
		int fd = tcp_connect(port_of_bus(server));
		char text[256];
		ssize_t n = -1;

		tcp_say(fd, "< open can0 >< rawmode >");
		int64_t began_ns = clock_monotonic_ns();

		for (int i = 0; i < 3; i++)
			assert_int_equal(bus_receive(server, &(struct bus_event){ 0 }), 0);
		must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
		if (clock_monotonic_ns() - began_ns < 80 * NS_PER_MS) { /* else the machine slept while the frame was held */
			poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 10);
			n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
		}
		seen = n == (ssize_t)strlen("< hi >< ok >< ok >");
		if (n > 0)
			tcp_expect(fd, server, "< frame 2A1 "); /* and yet it comes */
		close(fd);
	}
	assert_true(seen);
	bus_destroy(server);
}

static void a_frame_of_the_client_ends_the_wait_for_its_first(void **state)
{
	struct bus *server = serve();
	int fd = tcp_join(server);

	(void)state;
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
	tcp_say(fd, "< send 155 1 7 >");
	assert_int_equal(from_server(server).id, 0x155);
	assert_true(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_MS) == 1); /* without the server's doing more */
	close(fd);
	bus_destroy(server);
}

static void frames_look_as_clients_read_them(void **state)
{
	struct bus *server = serve();
	int fd = tcp_join(server);
	char text[512];
	double t;

	(void)state;
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A5, .length = 8, .data = { 0, 0, 0, 1, 0, 0, 0xAB, 2 } }));
	tcp_hear(fd, server, text, sizeof text, " >");
	assert_int_equal(sscanf(text, "< frame 2A5 %lf 000000010000AB02 >", &t), 1);
	assert_non_null(strstr(text, " 000000010000AB02 >"));
	assert_true(llabs((int64_t)(t * 1e6) - clock_realtime_ns() / 1000) < WAIT_MS * 1000);
	must(bus_send(server, &(struct bus_frame){ .id = 0x1 }));
	tcp_hear(fd, server, text, sizeof text, " >");
	assert_non_null(strstr(text, "< frame 001 "));
	assert_non_null(strstr(text, "  >")); /* python-can counts the spaces */
	must(bus_report(server, BUS_ERROR_OFF));
	tcp_expect(fd, server, "< error 040 ");
	close(fd);
	bus_destroy(server);
}

/* ---- several ---------------------------------------------------------------------------------------------------------- */

static void every_client_hears_the_server_and_the_others(void **state)
{
	struct bus *server = serve(), *a = join(server, NULL, 0), *b = join(server, NULL, 0);
	struct bus_event event;

	(void)state;
	must(bus_send(a, &(struct bus_frame){ .id = 0x155 }));
	assert_int_equal(from_server(server).id, 0x155);
	assert_int_equal(wait_frame(b, server).id, 0x155);
	must(bus_send(b, &(struct bus_frame){ .id = 0x156 }));
	assert_int_equal(from_server(server).id, 0x156);
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
	assert_int_equal(wait_frame(a, server).id, 0x156); /* not its own */
	assert_int_equal(wait_frame(a, server).id, 0x2A1);
	assert_int_equal(wait_frame(b, server).id, 0x2A1);
	bus_destroy(a);
	bus_destroy(b);
	assert_int_equal(bus_receive(server, &event), 0);
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
	bus_destroy(server);
}

static void one_client_too_many_is_refused_and_let_in_later(void **state)
{
	struct bus *server = serve(), *late = NULL;
	int fd[BUS_CLIENTS_MAX];

	(void)state;
	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		fd[i] = tcp_join(server);
	assert_int_equal(open_served(server, &(struct bus_options){ bus_address(server) }, &late), -EACCES);
	assert_non_null(strstr(bench_error.text, "too many clients"));
	close(fd[3]);
	late = join(server, NULL, 0);
	must(bus_send(late, &(struct bus_frame){ .id = 0x155 }));
	assert_int_equal(from_server(server).id, 0x155);
	tcp_expect(fd[7], server, "< frame 155 ");
	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		if (i != 3)
			close(fd[i]);
	bus_destroy(late);
	bus_destroy(server);
}

static void clients_come_and_go(void **state)
{
	struct bus *server = serve();

	(void)state;
	for (int i = 0; i < 100; i++) {
		int fd = tcp_connect(port_of_bus(server));
		const struct linger at_once = { 1, 0 };

		if (i % 4 != 0)
			tcp_say(fd, i % 4 == 1 ? "< op" : "< open can0 >< rawmode >< send 155 1 ");
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* reset, not closed */
		assert_int_equal(bus_receive(server, &(struct bus_event){ 0 }), 0);
		must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
		close(fd);
	}
	close(tcp_join(server));
	bus_destroy(server);
}

/* Lines stay whole: what is lost is lost by frames. */
static uint32_t count_whole_frames(int fd, struct bus *server)
{
	static char text[16 * MEGABYTE];
	int64_t until_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS;
	uint32_t frames = 0, last = 0;
	const char *at;
	size_t n = 0;

	do {
		ssize_t got = recv(fd, text + n, sizeof text - 1 - n, MSG_DONTWAIT);

		n += got > 0 ? (size_t)got : 0;
		text[n] = '\0';
		must(bus_send(server, &(struct bus_frame){ .id = 0x7FF })); /* the first of them are lost, too */
		assert_true(clock_monotonic_ns() < until_ns && n + 1 < sizeof text);
	} while (!strstr(text + (n > 100000 ? n - 100000 : 0), "< frame 7FF"));
	for (at = text; strncmp(at, "< frame 7FF", 11) != 0; at = strchr(at, '>') + 1, frames++) {
		uint32_t number;

		assert_int_equal(sscanf(at, "< frame 2A5 %*f 00000000%8x >", &number), 1);
		assert_true(frames == 0 || number > last);
		last = number;
	}
	return frames;
}

static void one_that_does_not_read_costs_the_others_nothing(void **state)
{
	struct bus *server = serve(), *good = join(server, NULL, 0);
	enum { FRAMES = 20000 };
	struct bus_frame f;
	int deaf;

	(void)state;
	must(bus_send(good, &(struct bus_frame){ .id = 0x155 }));
	from_server(server);
	deaf = tcp_join(server);
	for (uint32_t i = 0; i < FRAMES; i++) {
		f = frame_of(0x2A5, i);
		must(bus_send(server, &f));
		f = wait_frame(good, NULL);
		assert_int_equal(number_of(&f), i);
	}
	uint32_t heard = count_whole_frames(deaf, server);

	assert_true(heard > 1000 && heard < FRAMES);
	tcp_say(deaf, "< send 155 1 1 >"); /* and it is a client like others again */
	assert_int_equal(from_server(server).id, 0x155);
	close(deaf);
	bus_destroy(good);
	bus_destroy(server);
}

/* ---- text that is none ------------------------------------------------------------------------------------------------ */

static void bytes_may_come_one_by_one(void **state)
{
	static const char script[] = "< open can0 >\r\n< rawmode >\n  < send 155 8 0 1 2 3 4 5 ab FF ><send 1ABCDEF0 2 1 F1>< sendrtr 123 4 >";
	struct bus *server = serve();
	struct bus_frame got[3];

	(void)state;
	for (size_t cut = 0; cut < sizeof script; cut++) { /* the last: every byte by itself */
		int fd = tcp_connect(port_of_bus(server)), frames = 0;

		for (size_t i = 0; i < sizeof script - 1; i++) {
			struct bus_event event;

			assert_int_equal(send(fd, script + i, 1, MSG_NOSIGNAL), 1);
			if (cut == sizeof script - 1 || i == cut)
				while (bus_receive(server, &event) == 1)
					got[frames++] = event.frame;
		}
		for (; frames < 3; frames++)
			got[frames] = from_server(server);
		assert_memory_equal(&got[0], (&(struct bus_frame){ .id = 0x155, .length = 8, .data = { 0, 1, 2, 3, 4, 5, 0xAB, 0xFF } }), sizeof *got);
		assert_memory_equal(&got[1], (&(struct bus_frame){ .id = 0x1ABCDEF0, .flags = BUS_FRAME_EXTENDED, .length = 2, .data = { 1, 0xF1 } }),
				sizeof *got);
		assert_memory_equal(&got[2], (&(struct bus_frame){ .id = 0x123, .flags = BUS_FRAME_REMOTE, .length = 4 }), sizeof *got);
		close(fd);
	}
	bus_destroy(server);
}

/* Answered with an error, and the client stays. */
static void wrong_commands_are_answered(void **state)
{
	static const char *const syntax[] = { "< send >", "< send 155 >", "< send 800 0 >", "< send 155 9 0 0 0 0 0 0 0 0 0 >",
		"< send 155 1 >", "< send 155 1 100 >", "< send 155 1 0 0 >", "< send 155 1 -1 >", "< send 155 1 0x1 >", "< send -1 0 >",
		"< send 2FFFFFFF 0 >", "< send 123456789 0 >", "< send 155 00 >", "< sendrtr 155 9 >", "< sendrtr 155 >", "< open >",
		"< open a b >", "< open a_channel_of_17_ch >", "< frame 155 1.0 GG >", "< frame 155 1.0 0 >",
		"< frame 155 x 00 >", "< frame 155 1.0 000102030405060708 >" };
	static const char *const unknown[] = { "<>", "< >", "< Send 155 0 >", "< hi >", "< ok >", "< open can0 >", "< bcmmode >", "< a b c >",
		"< send 155 8 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 >", "< frame 155 1.0 00 >", "< fdsend 155 0 1 0 >", "< statistics 100 >" };
	struct bus *server = serve();
	int fd = tcp_join(server);

	(void)state;
	for (size_t i = 0; i < sizeof syntax / sizeof *syntax + sizeof unknown / sizeof *unknown; i++) {
		bool is_syntax = i < sizeof syntax / sizeof *syntax;

		tcp_say(fd, is_syntax ? syntax[i] : unknown[i - sizeof syntax / sizeof *syntax]);
		tcp_expect(fd, server, is_syntax ? "< error syntax error >" : "< error unknown command >");
		tcp_say(fd, "< send 155 1 5 >");
		assert_int_equal(from_server(server).id, 0x155);
	}
	close(fd);
	bus_destroy(server);
}

static void what_is_no_message_ends_the_connection(void **state)
{
	static const char *const none[] = { "hello", ">", "< open can0 >>", "< open < can0 >", "< open \t can0 >", "< open \x01 >", "< \xFF >",
		"GET / HTTP/1.1\r\n", "\x16\x03\x01" };
	struct bus *server = serve();
	int other = tcp_join(server);

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		int fd = tcp_connect(port_of_bus(server));
		char text[256];

		tcp_say(fd, none[i]);
		tcp_hear(fd, server, text, sizeof text, "nothing after it"); /* ends when the server closes */
		if (!strstr(text, "< error no message >"))
			fail_msg("%s: heard \"%s\"", none[i], text);
		close(fd);
	}
	must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
	tcp_expect(other, server, "< frame 2A1 ");
	close(other);
	bus_destroy(server);
}

static void a_megabyte_without_an_end_ends_the_connection(void **state)
{
	static char megabyte[MEGABYTE];
	struct bus *server = serve();
	const char *const begins[] = { "< send 155 8 ", "<", " ", "< rawmode ><" };

	(void)state;
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		int fd = tcp_join(server), other = tcp_join(server);
		bool blank = begins[i][0] == ' ';
		char last[256];
		size_t sent = 0;

		memset(megabyte, blank ? '\n' : 'a', sizeof megabyte);
		tcp_say(fd, begins[i]);
		for (int64_t until_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS; sent < sizeof megabyte && clock_monotonic_ns() < until_ns;) {
			ssize_t n = send(fd, megabyte + sent, sizeof megabyte - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

			assert_int_equal(bus_receive(server, &(struct bus_event){ 0 }), 0);
			if (n < 0 && errno != EAGAIN)
				break;
			sent += n > 0 ? (size_t)n : 0;
		}
		if (blank) { /* line ends between messages are nobody's business */
			assert_int_equal(sent, sizeof megabyte);
			tcp_say(fd, "< echo >");
			tcp_expect(fd, server, "< echo >");
		} else {
			tcp_hear(fd, server, last, sizeof last, "nothing after it");
			assert_true(recv(fd, last, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
		}
		must(bus_send(server, &(struct bus_frame){ .id = 0x2A1 }));
		tcp_expect(other, server, "< frame 2A1 ");
		close(fd);
		close(other);
	}
	bus_destroy(server);
}

/* ---- the client before other servers ---------------------------------------------------------------------------------- */

/* A server that answers whatever comes with the next line of its script. NULL: it closes. "": it says nothing. */
struct actor {
	int listen_fd;
	const char *const *line;
	size_t pieces;                 /* bytes at a time; 0: all */
};

static void say_in_pieces(int fd, const char *text, size_t pieces)
{
	size_t n = strlen(text);

	for (size_t at = 0; at < n; at += pieces ? pieces : n) {
		size_t left = n - at;

		if (send(fd, text + at, pieces && pieces < left ? pieces : left, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void *act(void *arg)
{
	struct actor *a = arg;
	int fd = accept(a->listen_fd, NULL, NULL);
	char heard[256];

	for (const char *const *line = a->line; *line; line++) {
		say_in_pieces(fd, *line, a->pieces);
		if (recv(fd, heard, sizeof heard, 0) <= 0)
			break;
	}
	close(fd);
	return NULL;
}

static int listen_somewhere(char address[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(address, 64, "socketcand://127.0.0.1:%u/can0", ntohs(at.sin_port));
	return fd;
}

/* What bus_open says before this server; *out where it was let in. The actor ends when its script or the connection does. */
static int open_before(const char *const *script, size_t pieces, struct bus **out, pthread_t *thread)
{
	static struct actor a;
	char address[64];
	int rc;

	a = (struct actor){ listen_somewhere(address), script, pieces };
	assert_int_equal(pthread_create(thread, NULL, act, &a), 0);
	rc = bus_open(out, &(struct bus_options){ address }, &bench_error);
	close(a.listen_fd);
	return rc;
}

static void servers_that_are_none_are_refused(void **state)
{
	static const struct { const char *script[5]; int code; const char *word; } cases[] = {
		{ { NULL }, -EPROTO, "closed the connection" },
		{ { "SSH-2.0-OpenSSH_9.2\r\n", NULL }, -EPROTO, "does not speak" },
		{ { "< ok >", NULL }, -EPROTO, "does not speak" },
		{ { "< error too many clients >", NULL }, -EACCES, "refuses: too many clients" },
		{ { "<error>", NULL }, -EACCES, "refuses:" },
		{ { "< hi >", "< error could not open bus >", NULL }, -EACCES, "refuses: could not open bus" },
		{ { "< hi >", NULL }, -EACCES, "closed the connection" },
		{ { "< hi >", "< ok >", "< error unknown command >", NULL }, -EACCES, "refuses: unknown command" },
		{ { "< hi >", "< ok >", "< hi >", NULL }, -EPROTO, "does not speak" },
		{ { "< hi >", "", NULL }, -ETIMEDOUT, "no answer within 3 s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus *b = NULL;
		pthread_t thread;

		assert_int_equal(open_before(cases[i].script, 0, &b, &thread), cases[i].code);
		assert_null(b);
		if (!strstr(bench_error.text, cases[i].word))
			fail_msg("\"%s\" does not say \"%s\"", bench_error.text, cases[i].word);
		pthread_join(thread, NULL);
	}
}

static void a_servers_text_may_come_in_any_pieces(void **state)
{
	static const char *const script[] = { "< hi >", "< ok >", "< ok >< frame 2A5 1795312696.098305 0000000100000002 >\n"
		"<frame 123 23.424242 11 22 33 44>< stat 1 2 3 4 >< fdframe 123 00 1.0 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"
		"00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF >< rtr 123 23.424242 4 >< error 040 1.5 >< error in words >"
		"< frame 1ABCDEF0 1.0  >< error 004 1.5 >", NULL };

	(void)state;
	for (size_t pieces = 0; pieces < 40; pieces += pieces < 5 ? 1 : 9) {
		struct bus *b = NULL;
		struct bus_event event;
		pthread_t thread;
		struct bus_frame f;

		must(open_before(script, pieces, &b, &thread));
		f = wait_frame(b, NULL);
		assert_memory_equal(&f, (&(struct bus_frame){ .id = 0x2A5, .length = 8, .data = { 0, 0, 0, 1, 0, 0, 0, 2 } }), sizeof f);
		f = wait_frame(b, NULL);
		assert_memory_equal(&f, (&(struct bus_frame){ .id = 0x123, .length = 4, .data = { 0x11, 0x22, 0x33, 0x44 } }), sizeof f);
		f = wait_frame(b, NULL);
		assert_int_equal(f.flags, BUS_FRAME_REMOTE);
		assert_int_equal(wait_event(b, NULL, &event), 1);
		assert_int_equal(event.error, BUS_ERROR_OFF);
		f = wait_frame(b, NULL);
		assert_int_equal(f.flags, BUS_FRAME_EXTENDED);
		assert_int_equal(wait_event(b, NULL, &event), 1);
		assert_int_equal(event.error, BUS_ERROR_DISTURBED);
		bus_destroy(b);
		pthread_join(thread, NULL);
	}
}

static void nonsense_after_the_greeting_ends_it(void **state)
{
	static const char *const nonsense[] = { "x", "< frame 2A5 >", "< frame 2A5 1.0 0 >", "< frame 900 1.0 00 >", "< frame < >", "\x80" };

	(void)state;
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
		char last[64];
		const char *const script[] = { "< hi >", "< ok >", last, NULL };
		struct bus *b = NULL;
		struct bus_event event;
		pthread_t thread;

		snprintf(last, sizeof last, "< ok >< frame 2A1 1.0 01 >%s", nonsense[i]);
		must(open_before(script, 0, &b, &thread));
		assert_int_equal(wait_frame(b, NULL).id, 0x2A1);
		assert_int_equal(wait_event(b, NULL, &event), -EPROTO);
		assert_int_equal(bus_receive(b, &event), -EPROTO);
		assert_int_equal(bus_send(b, &(struct bus_frame){ .id = 1 }), -EPROTO);
		bus_destroy(b);
		pthread_join(thread, NULL);
	}
}

/* A server that stands still: what is sent goes into the queue until that is full. */
static void a_server_that_does_not_read_fills_the_queue(void **state)
{
	struct bus *server = serve(), *client = join(server, NULL, 0);
	uint32_t sent = 0, got = 0;
	struct bus_frame f;
	int rc;

	(void)state;
	do {
		f = frame_of(0x155, sent);
		rc = bus_send(client, &f);
		sent += rc == 0;
	} while (rc == 0 && sent < 2000000);
	assert_int_equal(rc, -ENOBUFS);
	for (; got < sent; got++) {
		struct bus_event event;

		if (got % 1000 == 0)
			assert_int_equal(bus_receive(client, &event), 0); /* so that what waits moves on */
		for (int64_t until_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS; (rc = bus_receive(server, &event)) == 0;) {
			assert_int_equal(bus_receive(client, &event), 0);
			assert_true(clock_monotonic_ns() < until_ns);
		}
		assert_int_equal(rc, 1);
		assert_int_equal(number_of(&event.frame), got);
	}
	must(bus_send(client, &f));
	bus_destroy(client);
	bus_destroy(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_commands_are_answered),
		cmocka_unit_test(what_is_no_message_ends_the_connection),
		cmocka_unit_test(a_megabyte_without_an_end_ends_the_connection),
		cmocka_unit_test(bytes_may_come_one_by_one),
		cmocka_unit_test(a_client_is_greeted_and_let_in_step_by_step),
		cmocka_unit_test(another_channel_is_refused),
		cmocka_unit_test(frames_do_not_come_with_the_answer_to_rawmode),
		cmocka_unit_test(a_frame_of_the_client_ends_the_wait_for_its_first),
		cmocka_unit_test(frames_look_as_clients_read_them),
		cmocka_unit_test(every_client_hears_the_server_and_the_others),
		cmocka_unit_test(one_client_too_many_is_refused_and_let_in_later),
		cmocka_unit_test(clients_come_and_go),
		cmocka_unit_test(one_that_does_not_read_costs_the_others_nothing),
		cmocka_unit_test(servers_that_are_none_are_refused),
		cmocka_unit_test(a_servers_text_may_come_in_any_pieces),
		cmocka_unit_test(nonsense_after_the_greeting_ends_it),
		cmocka_unit_test(a_server_that_does_not_read_fills_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
