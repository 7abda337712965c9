/* test_curve.c - keys of CURVE: who gets through to a socket, and what is wrong with a file.
 * In real time: sockets. */
#include <errno.h>
#include <sys/stat.h>

#include "tests/unit/transport/sockets.h"

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

struct keys {
	char server_secret[128], server_open[128], client_secret[128], stranger_secret[128], list[128];
};

/* A server, a client on the list, and a stranger. */
static void make_keys(struct keys *k)
{
	char open_key[41], secret[41], list[128];

	path_in_folder(k->server_secret, sizeof k->server_secret, "", "server.secret");
	path_in_folder(k->server_open, sizeof k->server_open, "", "server.public");
	path_in_folder(k->client_secret, sizeof k->client_secret, "", "client.secret");
	path_in_folder(k->stranger_secret, sizeof k->stranger_secret, "", "stranger.secret");
	path_in_folder(k->list, sizeof k->list, "", "clients");
	assert_int_equal(zmq_curve_keypair(open_key, secret), 0);
	write_file(k->server_secret, secret, 0600);
	write_file(k->server_open, open_key, 0644);
	assert_int_equal(zmq_curve_keypair(open_key, secret), 0);
	write_file(k->client_secret, secret, 0600);
	snprintf(list, sizeof list, "# the left camera\n\n%s\n", open_key);
	write_file(k->list, list, 0644);
	assert_int_equal(zmq_curve_keypair(open_key, secret), 0);
	write_file(k->stranger_secret, secret, 0600);
}

static struct endpoint *open_publisher(const struct keys *k, const char *secret, const char *address)
{
	return open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = address, .curve_secret = secret,
			.curve_server = secret ? k->server_open : NULL });
}

static void only_listed_clients_get_through(void **state)
{
	struct keys k;

	(void)state;
	make_keys(&k);
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "tcp://0.0.0.0:0",
			.curve_secret = k.server_secret, .curve_clients = k.list });
	char address[64];

	snprintf(address, sizeof address, "tcp://127.0.0.1%s", strrchr(endpoint_address(sub), ':'));
	struct endpoint *stranger = open_publisher(&k, k.stranger_secret, address), *plain = open_publisher(&k, NULL, address);
	struct endpoint *client = open_publisher(&k, k.client_secret, address);
	struct endpoint_message got, m = text_message("camera/top", "from the list"), bad = text_message("camera/top", "stranger");

	assert_int_equal(publish_until_received(client, sub, &m, &got), 1);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(endpoint_send(stranger, &bad), 0);
		assert_int_equal(endpoint_send(plain, &bad), 0);
		while (receive(sub, &got, 10))
			assert_int_equal(got.bytes[1], strlen("from the list"));
	}
	endpoint_close(stranger);
	endpoint_close(plain);
	endpoint_close(client);
	endpoint_close(sub);
}

/* dreamvlad, its arms and its cameras read one configuration and so have one secret; none of them is on the list. */
static void who_shares_the_secret_gets_through(void **state)
{
	struct keys k;

	(void)state;
	make_keys(&k);
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "tcp://127.0.0.1:0",
			.curve_secret = k.server_secret, .curve_clients = k.list });
	struct endpoint *ours = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = endpoint_address(sub),
			.curve_secret = k.server_secret });
	struct endpoint *stranger = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = endpoint_address(sub),
			.curve_secret = k.stranger_secret });
	struct endpoint_message got, m = text_message("camera/top", "ours"), bad = text_message("camera/top", "stranger");

	assert_int_equal(publish_until_received(ours, sub, &m, &got), 1);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(endpoint_send(stranger, &bad), 0);
		while (receive(sub, &got, 10))
			assert_int_equal(got.bytes[1], strlen("ours"));
	}
	endpoint_close(stranger);
	endpoint_close(ours);
	endpoint_close(sub);
}

static int try_curve(const char *secret, const char *clients)
{
	struct endpoint *p = NULL;
	int rc = endpoint_open(&p, context, &(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "tcp://127.0.0.1:0",
			.curve_secret = secret, .curve_clients = clients }, &error);

	if (rc == 0)
		endpoint_close(p);
	return rc;
}

static void bad_key_files_are_named(void **state)
{
	struct keys k;
	char missing[128];

	(void)state;
	make_keys(&k);
	path_in_folder(missing, sizeof missing, "", "missing");
	assert_int_equal(try_curve(k.server_secret, k.list), 0);
	assert_int_equal(try_curve(k.server_secret, ""), -EINVAL);
	assert_int_equal(try_curve(missing, k.list), -ENOENT);
	assert_non_null(strstr(error.text, missing));
	assert_int_equal(try_curve(k.server_secret, missing), -ENOENT);
	write_file(k.list, "# nobody\n", 0644);
	assert_int_equal(try_curve(k.server_secret, k.list), -EINVAL);
	make_keys(&k);
	write_file(k.server_secret, "too short\n", 0600);
	assert_int_equal(try_curve(k.server_secret, k.list), -EINVAL);
	make_keys(&k);
	assert_int_equal(chmod(k.server_secret, 0604), 0);
	assert_int_equal(try_curve(k.server_secret, k.list), -EACCES);
	assert_non_null(strstr(error.text, "chmod 600"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_listed_clients_get_through),
		cmocka_unit_test(who_shares_the_secret_gets_through),
		cmocka_unit_test(bad_key_files_are_named),
	};

	return cmocka_run_group_tests(tests, open_context, close_context);
}
