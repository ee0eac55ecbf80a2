/* main.c: options in front of the command, settings, the lookup of the command, and the one place where a failure becomes an exit status. */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/correction.h"
#include "pipeline/cli/pages.h"
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/species.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <mosquitto.h>
#include <nettle/version.h>
#include <png.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <zstd.h>

#define CONF_PATH "/etc/nightjar/nightjar.conf"

int nj_exit(nj_status status)
{
    switch (status) {
    case NJ_OK:
        return 0;
    case NJ_STOPPED:
        return NJ_EXIT_STOPPED;
    default:
        return NJ_EXIT_FAILED;
    }
}

const char *nj_output_name(const char *name)
{
    return strcmp(name, "-") == 0 ? "/dev/stdout" : name;
}

int nj_usage(const char *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "nightjar %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    for (const struct nj_command_entry *entry = nj_commands; entry->name; entry++)
        if (!strcmp(entry->name, command))
            fprintf(stderr, "usage: nightjar %s %s\n", entry->name, entry->synopsis);
    for (const struct nj_command_entry *entry = nj_probes; entry->name; entry++)
        if (!strcmp(entry->name, command))
            fprintf(stderr, "usage: nightjar probe %s %s\n", entry->name, entry->synopsis);
    return NJ_EXIT_USAGE;
}

const char *nj_command_near(const struct nj_command_entry *table, const char *word)
{
    static char     words[64];
    struct nj_guess guess = {.word = word};
    for (; table->name; table++)
        nj_guess_try(&guess, table->name);
    snprintf(words, sizeof words, guess.best ? "; did you mean %s?" : ";%s", guess.best ? guess.best : "");
    return words;
}

static void print_version(void)
{
    char              names[128];
    struct nj_kernels kernels; /* it knows which instruction sets passed their check */
    uint32_t          features = nj_cpu_detect();
    nj_cpu_mask(getenv("NJ_CPU"), &features);
    nj_kernels_init(&kernels, features);
    nj_cpu_names(kernels.features, names, sizeof names);
    printf("nightjar %s\nprocessor features in use: %s\n", NJ_VERSION, names);
    if (kernels.differs)
        printf("not in use, because of results other than plain C's: %s\n", kernels.differs);
    int mosquitto[3];
    mosquitto_lib_version(&mosquitto[0], &mosquitto[1], &mosquitto[2]);
    const struct scmp_version *seccomp = seccomp_version();
    printf("libraries: sqlite %s, jansson %s, libpng %s, zstd %s, nettle %d.%d, libseccomp %u.%u.%u, libmosquitto %d.%d.%d\n",
           sqlite3_libversion(), jansson_version_str(), png_get_libpng_ver(NULL), ZSTD_versionString(), nettle_version_major(),
           nettle_version_minor(), seccomp->major, seccomp->minor, seccomp->micro, mosquitto[0], mosquitto[1], mosquitto[2]);
}

static void print_table(const struct nj_command_entry *entry, const char *prefix)
{
    for (; entry->name; entry++)
        printf("  %s%-12s %s\n", prefix, entry->name, entry->summary);
}

static void print_page(const struct nj_command_entry *entry, const char *prefix)
{
    printf("usage: nightjar %s%s %s\n\n%s\n", prefix, entry->name, entry->synopsis, entry->summary);
    if (entry->details)
        printf("\n%s\n", entry->details);
}

static int help(int argc, char **argv)
{
    static const struct {
        const char *option;
        void (*print)(void);
    } pages[] = {{"--man", nj_page_man}, {"--man-conf", nj_page_man_conf}, {"--completion", nj_page_completion}};
    for (size_t i = 0; argc > 1 && i < sizeof pages / sizeof pages[0]; i++)
        if (!strcmp(argv[1], pages[i].option)) {
            pages[i].print();
            return 0;
        }
    const struct nj_command_entry *table  = nj_commands;
    const char                    *prefix = "";
    if (argc > 2 && !strcmp(argv[1], "probe")) {
        table  = nj_probes;
        prefix = "probe ";
        argc--;
        argv++;
    }
    if (argc > 1) {
        for (const struct nj_command_entry *entry = table; entry->name; entry++)
            if (!strcmp(entry->name, argv[1])) {
                print_page(entry, prefix);
                if (!strcmp(argv[1], "probe"))
                    print_table(nj_probes, "probe ");
                return 0;
            }
        return nj_usage("help", "%s: no such command%s `nightjar help` lists them", argv[1], nj_command_near(table, argv[1]));
    }
    printf("usage: nightjar [-c CONF] [--set SECTION.KEY=VALUE]… [-v | -q] COMMAND [options]\n\n");
    print_table(nj_commands, "");
    printf("\n`nightjar help COMMAND` prints that command's page.\n");
    return 0;
}

/* `nightjar COMMAND --help` is `nightjar help COMMAND`. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help"))
            return true;
    return false;
}

/* The next word of a list with commas, without the blanks around it; NULL behind the last. */
static char *next_word(char *list, char **rest)
{
    char *word = strtok_r(list, ",", rest);
    if (!word)
        return NULL;
    word += strspn(word, " ");
    for (char *end = word + strlen(word); end > word && end[-1] == ' ';)
        *--end = 0;
    return word;
}

/* Labels in the settings, which base does not know: a rare species that is misspelt would never go to review. */
static nj_status check_labels(const char *key, const char *value, struct nj_error *error)
{
    const bool bins = !strcmp(key, "high_count_bins");
    char       list[NJ_CONF_TEXT], *rest = NULL;
    snprintf(list, sizeof list, "%s", value);
    for (char *label = next_word(list, &rest); label; label = next_word(NULL, &rest)) {
        if (!*label || (bins ? nj_count_bin_index(label) : nj_species_index(label)) >= 0)
            continue;
        if (bins)
            return nj_fail(error, "%s: %s: one of 1 to 10, 11-50, 51+ is expected", key, label);
        nj_species_from_word(label, error);
        nj_error_prefix(error, "%s", key);
        return NJ_ERROR;
    }
    return NJ_OK;
}

static nj_status read_settings(struct nj_cli *cli, const char *chosen, char **settings, size_t count)
{
    static char path[NJ_CONF_TEXT];
    nj_conf_defaults(&cli->conf);
    cli->conf.check_labels = check_labels;
    cli->conf_path         = "";
    if (!chosen)
        chosen = getenv("NIGHTJAR_CONF");
    bool must_exist = chosen != NULL;
    if (chosen)
        snprintf(path, sizeof path, "%s", chosen);
    else if (!nj_sysroot_path(path, sizeof path, CONF_PATH))
        return nj_fail(&cli->error, "NIGHTJAR_SYSROOT: the path is too long");
    if (must_exist || access(path, F_OK) == 0) {
        nj_status status = nj_conf_read(&cli->conf, path, &cli->error);
        if (status != NJ_OK)
            return status;
        cli->conf_path = path;
    }
    for (size_t i = 0; i < count; i++) {
        nj_status status = nj_conf_set(&cli->conf, settings[i], &cli->error);
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

/* Takes every `--set X` and `--set=X` out of argv, wherever it stands: it is valid on any command. `settings` has room for argc of them. */
static int take_settings(int argc, char **argv, char **settings, size_t *count)
{
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        char *value = NULL;
        if (!strcmp(argv[i], "--")) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (!strcmp(argv[i], "--set") && i + 1 < argc)
            value = argv[++i];
        else if (!strncmp(argv[i], "--set=", 6))
            value = argv[i] + 6;
        if (!value)
            argv[kept++] = argv[i];
        else
            settings[(*count)++] = value;
    }
    argv[kept] = NULL;
    return kept;
}

/* What was printed must have arrived, too: a page of which only the front is there is no success. */
static int finish(struct nj_cli *cli, int status)
{
    errno           = 0;
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (lost && (status == 0 || !cli->error.text[0])) {
        if (errno)
            nj_fail_errno(&cli->error, errno, "standard output");
        else
            nj_fail(&cli->error, "standard output: not all of it could be written; is the disk full?");
        status = NJ_EXIT_FAILED;
    }
    if (status != 0 && cli->error.text[0])
        fprintf(stderr, "nightjar: %s\n", cli->error.text);
    return status;
}

int main(int argc, char **argv)
{
    static struct nj_cli cli;
    static char        **settings; /* kept to the end */
    size_t               setting_count = 0;
    const char          *conf          = NULL;
    int                  at            = 1;
    settings                           = calloc((size_t)argc + 1, sizeof *settings);
    if (!settings) {
        fprintf(stderr, "nightjar: no memory for %d words\n", argc);
        return NJ_EXIT_FAILED;
    }
    argc = take_settings(argc, argv, settings, &setting_count);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "-c") && at + 1 < argc)
            conf = argv[++at];
        else if (!strcmp(argv[at], "-v"))
            nj_log_level_set(NJ_LOG_DEBUG);
        else if (!strcmp(argv[at], "-q"))
            nj_log_level_set(NJ_LOG_WARNING);
        else if (!strcmp(argv[at], "--version")) {
            print_version();
            return finish(&cli, 0);
        } else if (!strcmp(argv[at], "--help") || !strcmp(argv[at], "-h"))
            return finish(&cli, help(1, argv));
        else {
            fprintf(stderr,
                    "nightjar: %s: no such option in front of a command, or its value is missing; `nightjar help` lists what there is\n",
                    argv[at]);
            return NJ_EXIT_USAGE;
        }
    }
    if (at == argc) {
        help(1, argv);
        return NJ_EXIT_USAGE;
    }
    if (!strcmp(argv[at], "help"))
        return finish(&cli, help(argc - at, argv + at));
    if (asks_for_help(argc - at, argv + at))
        return finish(&cli, help(!strcmp(argv[at], "probe") && argv[at + 1][0] != '-' ? 3 : 2, argv + at - 1));
    for (const struct nj_command_entry *entry = nj_commands; entry->name; entry++) {
        if (strcmp(entry->name, argv[at]))
            continue;
        int status = NJ_EXIT_FAILED;
        if (read_settings(&cli, conf, settings, setting_count) == NJ_OK)
            status = entry->run(&cli, argc - at, argv + at);
        return finish(&cli, status);
    }
    fprintf(stderr, "nightjar: %s: no such command%s `nightjar help` lists them\n", argv[at], nj_command_near(nj_commands, argv[at]));
    return NJ_EXIT_USAGE;
}
