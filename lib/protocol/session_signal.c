/*
 * Signals.  A handler has nobody to pass it a handle: this file alone has
 * variables of its own.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "protocol/session_int.h"

static volatile bool	 stop, retired;

static void
on_stop(int sig)
{
	(void)sig;
	stop = true;
}

/* Of a process with a session, which has to end whatever it does. */
static void
on_last_orders(int sig)
{
	on_stop(sig);
	alarm(SESSION_STOP_S);
}

static void
on_retire(int sig)
{
	(void)sig;
	retired = true;
}

/* It only has to end a wait. */
static void
on_child(int sig)
{
	(void)sig;
}

static void
take(int sig, void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

void
session_signals(bool master)
{
	sigset_t	 block;

	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGUSR1);
	if (master)
		sigaddset(&block, SIGCHLD);
	/* a worker's own children are nobody's business but its helpers' */
	take(SIGCHLD, master ? on_child : SIG_DFL);
	take(SIGTERM, master ? on_stop : on_last_orders);
	take(SIGINT, master ? on_stop : on_last_orders);
	take(SIGALRM, SIG_DFL);
	take(SIGUSR1, master ? on_child : on_retire);
	take(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &block, NULL);
}

const volatile bool *
session_stop(void)
{
	return &stop;
}

bool
session_is_retired(void)
{
	return retired;
}

void
session_wait_mask(sigset_t *mask)
{
	sigemptyset(mask);
}
