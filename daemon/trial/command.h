/* command.h - dreamvla-sim --evaluate and --expert: command line only. */
#ifndef DREAMVLA_DAEMON_TRIAL_COMMAND_H
#define DREAMVLA_DAEMON_TRIAL_COMMAND_H

#include <stdbool.h>

/* Is one of the two among the arguments? */
bool trial_command_wanted(int argc, char **argv);

/* Runs it; the process's exit status. Thread: main. Allocates: yes. Blocks: for all of it. */
int trial_command(int argc, char **argv);

#endif
