/* arguments.h: the options of one command, as a table.
 *
 *     const struct nj_argument options[] = {{"--night", NJ_ARG_NIGHT, &query.night}, {"--json", NJ_ARG_FLAG, &json}, {NULL, 0, NULL}};
 *     int words = nj_arguments(argc, argv, options);
 *     if (words < 0) return NJ_EXIT_USAGE;
 *
 * `--name VALUE` and `--name=VALUE` are the same, options and words may be mixed, `--` ends the options. */
#ifndef NJ_CLI_ARGUMENTS_H
#define NJ_CLI_ARGUMENTS_H

enum nj_argument_kind {
    NJ_ARG_FLAG,  /* bool * */
    NJ_ARG_TEXT,  /* const char ** */
    NJ_ARG_NIGHT, /* const char **, YYYY-MM-DD */
    NJ_ARG_COUNT, /* int64_t *, 1 or more */
};

struct nj_argument {
    const char           *name; /* "--night" or "-o" */
    enum nj_argument_kind kind;
    void                 *value;
};

/* Takes the options out of argv and fills their values (borrowed from argv). Returns how many words are left, argv[0] among them, or -1 after it has
 * printed what is wrong and the usage line. */
int nj_arguments(int argc, char **argv, const struct nj_argument *options);

#endif
