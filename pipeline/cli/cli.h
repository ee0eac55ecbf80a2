/* cli.h: the `nightjar` command. main.c reads the options in front of the command and looks it up in the table of commands.c;
 * each subcommand is one file, cmd_NAME.c (probe_NAME.c for `probe NAME`).
 *
 * Only this room prints to stdout, exits, or turns a status into an exit status: 0 done, 1 failed (the last stderr line says what, where and what
 * to do), 2 usage, 75 stopped early in good order. */
#ifndef NJ_CLI_CLI_H
#define NJ_CLI_CLI_H

#include "base/conf.h"
#include "base/status.h"

#define NJ_EXIT_FAILED  1
#define NJ_EXIT_USAGE   2
#define NJ_EXIT_STOPPED 75

struct nj_cli {
    struct nj_conf  conf;      /* settings file and --set already applied */
    const char     *conf_path; /* the file that was read, or "" */
    struct nj_error error;     /* for the command to use */
};

/* argv[0] is the command's own name. Returns an exit status. A command that returns NJ_EXIT_FAILED leaves its sentence in cli->error. */
typedef int nj_command(struct nj_cli *cli, int argc, char **argv);

struct nj_command_entry {
    const char *name, *synopsis, *summary; /* synopsis: arguments as in the manual; summary: one line for `nightjar help` */
    nj_command *run;
    const char *details; /* the rest of its help page, or NULL */
};

extern const struct nj_command_entry nj_commands[]; /* ends with a NULL name */
extern const struct nj_command_entry nj_probes[];   /* the same for `probe` */
extern const char                    nj_convert_details[];

/* Prints "nightjar COMMAND: sentence" and the usage line; returns NJ_EXIT_USAGE. */
int nj_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "; did you mean X?" for a word that is the name of no entry of `table`, ";" if none is near (borrowed until the next call). */
const char *nj_command_near(const struct nj_command_entry *table, const char *word);

/* The file behind the name of an output: for "-" standard output, by the name that nj_file_write_atomic knows it by. */
const char *nj_output_name(const char *name);

/* Turns a status into an exit status; prints nothing (main prints cli->error). */
int nj_exit(nj_status status);

nj_command nj_cmd_ask;
nj_command nj_cmd_bench;
nj_command nj_cmd_probe;
nj_command nj_cmd_report;
nj_command nj_cmd_review;
nj_command nj_cmd_clock;
nj_command nj_cmd_conf;
nj_command nj_cmd_convert;
nj_command nj_cmd_eval;
nj_command nj_cmd_run;
nj_command nj_cmd_uplink;
nj_command nj_cmd_simulate;
nj_command nj_cmd_status;
nj_command nj_cmd_doctor;
nj_command nj_cmd_events;
nj_command nj_cmd_export;
nj_command nj_cmd_watch;
nj_command nj_probe_accepts;
nj_command nj_probe_bursts;
nj_command nj_probe_detokenize;
nj_command nj_probe_generate;
nj_command nj_probe_logits;
nj_command nj_probe_mask;
nj_command nj_probe_pixels;
nj_command nj_probe_render;
nj_command nj_probe_tensors;
nj_command nj_probe_tokenize;
nj_command nj_probe_triage;
nj_command nj_probe_vision;

#endif
