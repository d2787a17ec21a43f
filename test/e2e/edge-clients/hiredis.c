/*
 * hiredis with TLS: its formatter and its reader, over OpenSSL. Releases before 1.0, as Debian 12 has one, know no TLS of
 * their own; redis-cli is built from a later one that does.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIG 1000000

struct link {
	SSL *ssl;
	int socket;
	redisReader *reader;
	char error[256];
};

static SSL_CTX *tls;
static char user[64], password[256], host[256], port[8];

static void read_url(const char *url)
{
	if (sscanf(url, "rediss://%63[^:]:%255[^@]@%255[^:]:%7[0-9]", user, password, host, port) != 4) {
		fprintf(stderr, "REDIS_URL cannot be read\n");
		exit(2);
	}
}

static redisReply *receive(struct link *link)
{
	void *reply = NULL;
	char bytes[16384];
	while (redisReaderGetReply(link->reader, &reply) == REDIS_OK && reply == NULL) {
		int count = SSL_read(link->ssl, bytes, sizeof bytes);
		if (count <= 0) {
			snprintf(link->error, sizeof link->error, "the connection was closed");
			return NULL;
		}
		redisReaderFeed(link->reader, bytes, count);
	}
	if (reply == NULL)
		snprintf(link->error, sizeof link->error, "%s", link->reader->errstr);
	return reply;
}

static redisReply *ask(struct link *link, const char *format, ...)
{
	char *command = NULL;
	va_list list;
	va_start(list, format);
	int length = redisvFormatCommand(&command, format, list);
	va_end(list);
	int sent = SSL_write(link->ssl, command, length);
	free(command);
	if (sent != length) {
		snprintf(link->error, sizeof link->error, "the connection was closed");
		return NULL;
	}
	return receive(link);
}

static void leave(struct link *link)
{
	if (link->ssl)
		SSL_free(link->ssl);
	if (link->socket >= 0)
		close(link->socket);
	if (link->reader)
		redisReaderFree(link->reader);
	link->ssl = NULL;
	link->reader = NULL;
	link->socket = -1;
}

/* Connects by whichever address of the name answers, verifies the certificate, and logs in. 0 when that went well. */
static int join(struct link *link)
{
	struct addrinfo *all = NULL, hints = {.ai_socktype = SOCK_STREAM};
	memset(link, 0, sizeof *link);
	link->socket = -1;
	int found = getaddrinfo(host, port, &hints, &all);
	if (found != 0) {
		snprintf(link->error, sizeof link->error, "%s", gai_strerror(found));
		return -1;
	}
	for (struct addrinfo *each = all; each; each = each->ai_next) {
		link->socket = socket(each->ai_family, each->ai_socktype, 0);
		if (connect(link->socket, each->ai_addr, each->ai_addrlen) == 0)
			break;
		snprintf(link->error, sizeof link->error, "%s", strerror(errno));
		close(link->socket);
		link->socket = -1;
	}
	freeaddrinfo(all);
	if (link->socket < 0)
		return -1;
	link->ssl = SSL_new(tls);
	SSL_set_fd(link->ssl, link->socket);
	SSL_set_tlsext_host_name(link->ssl, host);
	SSL_set1_host(link->ssl, host);
	link->reader = redisReaderCreate();
	if (SSL_connect(link->ssl) != 1) {
		snprintf(link->error, sizeof link->error, "%s", ERR_reason_error_string(ERR_get_error()));
		leave(link);
		return -1;
	}
	redisReply *reply = ask(link, "AUTH %s %s", user, password);
	if (reply == NULL || reply->type != REDIS_REPLY_STATUS) {
		if (reply)
			snprintf(link->error, sizeof link->error, "%s", reply->str);
		leave(link);
		return -1;
	}
	freeReplyObject(reply);
	return 0;
}

static struct link open_link(void)
{
	struct link link;
	if (join(&link) != 0) {
		fprintf(stderr, "%s\n", link.error);
		exit(1);
	}
	return link;
}

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Asks for the connection's id until it is another one, and tells for how long nothing was answered, and the errors. */
static void steady(void)
{
	struct link link = open_link();
	redisReply *reply = ask(&link, "CLIENT ID");
	long long first = reply ? reply->integer : 0;
	char errors[1024] = "", last[256] = "";
	double answered = now_ms();
	printf("steady\n");
	fflush(stdout);
	for (;;) {
		usleep(10000);
		if (link.socket >= 0 || join(&link) == 0) {
			reply = ask(&link, "CLIENT ID");
			if (reply != NULL) {
				if (reply->integer != first)
					break;
				answered = now_ms();
				freeReplyObject(reply);
				continue;
			}
			leave(&link);
		}
		if (strcmp(last, link.error) != 0 && strlen(errors) < 700) {
			sprintf(errors + strlen(errors), "%s\"returned: %.200s\"", *errors ? "," : "", link.error);
			strcpy(last, link.error);
		}
	}
	printf("{\"backAfterMs\":%.0f,\"errors\":[%s]}\n", now_ms() - answered, errors);
}

static int is_text(redisReply *reply, const char *text)
{
	return reply && reply->str && strcmp(reply->str, text) == 0;
}

int main(int count, char **arguments)
{
	read_url(getenv("REDIS_URL"));
	signal(SIGPIPE, SIG_IGN);
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_default_verify_paths(tls);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	if (count > 1 && strcmp(arguments[1], "steady") == 0) {
		steady();
		return 0;
	}
	char *big = malloc(BIG + 1);
	memset(big, 'x', BIG);
	big[BIG] = '\0';
	struct link link = open_link(), listener = open_link();
	ask(&link, "SET text %b", big, (size_t)BIG);
	int is_big = is_text(ask(&link, "GET text"), big);
	ask(&link, "MULTI");
	ask(&link, "SET count 1");
	ask(&link, "INCR count");
	redisReply *multi = ask(&link, "EXEC");
	int is_multi = multi && multi->elements == 2 && multi->element[1]->integer == 2;
	ask(&listener, "SUBSCRIBE news");
	ask(&link, "PUBLISH news hello");
	redisReply *message = receive(&listener);
	int is_heard = message && message->elements == 3 && is_text(message->element[2], "hello");
	if (fork() == 0) {
		struct link other = open_link();
		ask(&other, "RPUSH list now");
		_exit(0);
	}
	redisReply *popped = ask(&link, "BLPOP list 10");
	int is_popped = popped && popped->elements == 2 && is_text(popped->element[1], "now");
	wait(NULL);
	int are_fine[] = {is_big, is_multi, is_heard, is_popped};
	const char *names[] = {"big", "MULTI", "pub/sub", "pop"};
	printf("[");
	for (int at = 0, said = 0; at < 4; at++)
		if (are_fine[at])
			printf("%s\"%s\"", said++ ? "," : "", names[at]);
	printf("]\n");
	return 0;
}
