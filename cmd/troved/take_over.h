/*
 * take_over: a new troved goes on where a running one ends, on the same data.directory.
 *
 * How      The running one listens on the unix socket data.directory/take-over.sock (mode 0600). The new one sets up its memory
 *          and loads rewards.file, then connects: that is the question. The old one makes a snapshot while it serves and says
 *          "ready"; the new one answers "y", and only then the old one finishes what is in flight, leaves what still comes
 *          unanswered, says "closing" and when it closes its sockets, and ends; "free" says that the journal's lock, the
 *          ports and the socket files are. Then the new one starts. When it has not said "y", because it is gone or hangs, the
 *          old one goes on, and says "refused". One that dies says nothing: the connection ends, and when its process is gone
 *          (a pidfd tells) the new one starts, as after a crash.
 * Clients  nng's REQ sends again what was not answered, under the same id; so nobody is refused.
 * Thread   main. Memory: the struct is the caller's.
 */
#ifndef CMD_TROVED_TAKE_OVER_H
#define CMD_TROVED_TAKE_OVER_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

struct take_over {
	/* The old one. */
	int directory, listener; /* -1: nobody can ask */
	struct event *event;
	int asker; /* who asked; -1: nobody */
	bool is_offered;
	bool (*asked)(void *context); /* false: it is too late */
	void *context;
	/* The new one. */
	int64_t closed_ns; /* monotonic: when the old one closed its sockets; 0: there was none */
};

void take_over_init(struct take_over *take_over);
/* The running one, which has the journal's lock: from now on somebody may ask. What fails is logged: then nobody can. */
void take_over_listen(struct take_over *take_over, const char *directory, struct event_base *loop,
                      bool (*asked)(void *context), void *context);
/* Whether there is somebody who asked and waits still. */
bool take_over_is_asked(const struct take_over *take_over);
enum take_over_answer { TAKE_OVER_waits, TAKE_OVER_agreed, TAKE_OVER_gone };
/* Says that all is ready, once; whether who asked still wants it. */
enum take_over_answer take_over_offer(struct take_over *take_over);
/* It will not be: who asked is told. */
void take_over_refuse(struct take_over *take_over);
/* The sockets close now. */
void take_over_say_closing(struct take_over *take_over);
/* The socket goes; at the very end take_over_leave says that everything is free. */
void take_over_close(struct take_over *take_over);
void take_over_leave(struct take_over *take_over);

/* The new one: asks and waits until the old one has ended. true: there was none, or it has, or died. false: it goes on, or takes
 * longer than timeout_ms; text says which. */
bool take_over_ask(struct take_over *take_over, const char *directory, int64_t timeout_ms, char text[256]);

#endif
