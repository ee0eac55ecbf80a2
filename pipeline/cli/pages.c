#include "pipeline/cli/pages.h"
#include "base/conf.h"
#include "base/text.h"
#include "pipeline/cli/cli.h"
#include "pipeline/sentinel/species.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text for roff: backslashes and leading dots lose their meaning, a hyphen stays a hyphen for those who copy it. */
static void print_roff(const char *text)
{
    bool begin = true;
    for (const char *at = text; *at; at++) {
        if (begin && (*at == '.' || *at == '\''))
            fputs("\\&", stdout);
        if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '-')
            fputs("\\-", stdout);
        else
            putchar(*at);
        begin = *at == '\n';
    }
}

/* Lines that begin with two spaces, or hold two in a row, are a table and keep their shape; others flow. */
static void print_details(const char *text)
{
    bool kept = false;
    for (const char *line = text; *line;) {
        const char *end    = strchr(line, '\n');
        size_t      length = end ? (size_t)(end - line) : strlen(line);
        char        copy[512];
        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        bool table = strstr(copy, "  ") != NULL;
        if (table != kept)
            fputs(table ? ".nf\n" : ".fi\n", stdout);
        kept = table;
        if (length)
            print_roff(copy), putchar('\n');
        else
            puts(".PP");
        line = end ? end + 1 : line + length;
    }
    if (kept)
        puts(".fi");
}

static void print_entries(const struct nj_command_entry *entry, const char *prefix)
{
    for (; entry->name; entry++) {
        printf(".TP\n\\fB%s", prefix);
        print_roff(entry->name);
        printf("\\fR ");
        print_roff(entry->synopsis);
        printf("\n");
        print_roff(entry->summary);
        printf(".\n");
        if (entry->details) {
            puts(".RS\n.PP");
            print_details(entry->details);
            puts(".RE");
        }
    }
}

void nj_page_man(void)
{
    printf(".TH NIGHTJAR 1 \"\" \"Nightjar %s\" \"User Commands\"\n.SH NAME\nnightjar \\- reads the pictures of a camera trap on the "
           "station's own board\n",
           NJ_VERSION);
    puts(".SH SYNOPSIS\n.B nightjar\n[\\fB\\-c\\fR \\fICONF\\fR] [\\fB\\-\\-set\\fR \\fISECTION.KEY=VALUE\\fR]... [\\fB\\-v\\fR | "
         "\\fB\\-q\\fR] \\fICOMMAND\\fR "
         "[\\fIoptions\\fR]");
    puts(".SH DESCRIPTION\nNightjar watches the card of a trap camera, groups new pictures into bursts and, when the battery allows, reads "
         "each burst with a "
         "vision\nlanguage model. What it saw lands in one SQLite file: events, detections, and plain reasons for review. Data go to "
         "standard output, "
         "everything\nelse to standard error.");
    puts(".SH COMMANDS");
    print_entries(nj_commands, "");
    puts(".SH PROBES\nFor those who verify the model.");
    print_entries(nj_probes, "probe ");
    puts(".SH OPTIONS\n.TP\n\\fB\\-c\\fR \\fICONF\\fR\nThe settings file; else the environment variable NIGHTJAR_CONF, else "
         "/etc/nightjar/nightjar.conf.\n.TP\n"
         "\\fB\\-\\-set\\fR \\fISECTION.KEY=VALUE\\fR\nOne setting over what the file says, on any command.\n.TP\n\\fB\\-v\\fR, "
         "\\fB\\-q\\fR\nSay more, or only "
         "warnings.\n.TP\n\\fB\\-\\-version\\fR\nThe version, the features of this processor that are in use, the libraries.");
    puts(".SH \"EXIT STATUS\"\n.TP\n0\nDone, also when there was nothing to do.\n.TP\n1\nFailed; the last line on standard error says "
         "what, where and what to "
         "do.\n.TP\n2\nWrong usage.\n.TP\n75\nStopped early in good order: run again later (low power, another instance at work, a "
         "signal).");
    puts(".SH FILES\n.TP\n/etc/nightjar/nightjar.conf\nSettings, see\n.BR nightjar.conf (5).\n.TP\n/var/lib/nightjar/nightjar.db\nThe "
         "database. Read it with "
         "\\fBsqlite3 \\-readonly\\fR: views files, events, detections, review_queue, nights,\nspecies_nights, outbox.\n.TP\n"
         "/var/lib/nightjar/model.nj\nThe model.");
    puts(".SH ENVIRONMENT\n.TP\nNIGHTJAR_CONF\nThe settings file.\n.TP\nNO_COLOR\nNo colours, also on a "
         "terminal.\n.TP\nNIGHTJAR_SYSROOT\nA folder that stands for "
         "the root of the file system, for tests.");
    puts(".SH \"SEE ALSO\"\n.BR nightjar.conf (5),\n.BR sqlite3 (1)");
}

/* The sample file is the page: each comment above a key explains it. */
void nj_page_man_conf(void)
{
    char  *sample = NULL, *line, *next;
    size_t size;
    FILE  *memory = open_memstream(&sample, &size);
    if (!memory)
        return;
    nj_conf_print_sample(memory);
    fclose(memory);
    printf(".TH NIGHTJAR.CONF 5 \"\" \"Nightjar %s\" \"File Formats\"\n.SH NAME\nnightjar.conf \\- settings of a Nightjar station\n",
           NJ_VERSION);
    puts(".SH DESCRIPTION\nSections in brackets, then lines \\fIkey\\fR = \\fIvalue\\fR. A line that begins with # or ; is a remark, and "
         "so is what follows a "
         "space and a\nsemicolon. An unknown section or key and a bad value are refused with file, line and the nearest name. Every key is "
         "listed here with its\n"
         "default.");
    char help[512] = "";
    for (line = strtok_r(sample, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
        if (*line == '[') {
            line[strcspn(line, "]")] = 0;
            printf(".SH \"SECTION %s\"\n", line + 1);
        } else if (!strncmp(line, "# ", 2))
            snprintf(help, sizeof help, "%s", line + 2);
        else if (*line == '#') {
            char *equals = strstr(line, " = ");
            if (!equals)
                continue;
            *equals = 0;
            printf(".TP\n\\fB%s\\fR", line + 1);
            if (equals[3])
                printf(" (%.60s%s)", equals + 3, strlen(equals + 3) > 60 ? "..." : "");
            putchar('\n');
            print_roff(help);
            putchar('\n');
        }
    }
    puts(".SH \"SEE ALSO\"\n.BR nightjar (1)");
    free(sample);
}

/* Every --option that a synopsis or the details name. */
static void print_options(const char *text)
{
    for (const char *at = text; text && (at = strstr(at, "--")) != NULL;) {
        size_t length = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        if (length > 2 && (at == text || !isalnum((unsigned char)at[-1])))
            printf(" %.*s", (int)length, at);
        at += length;
    }
}

/* Words in front of which a command branches: "show ID", "accept ID…". */
static void print_words(const char *name)
{
    static const struct {
        const char *command, *words;
    } branches[] = {{"events", "show"},
                    {"review", "list show accept correct escalate undo"},
                    {"export", "camtrap-dp csv megadetector timelapse training"},
                    {"uplink", "status decode"}};
    for (size_t i = 0; i < sizeof branches / sizeof branches[0]; i++)
        if (!strcmp(branches[i].command, name))
            printf(" %s", branches[i].words);
}

void nj_page_completion(void)
{
    puts("# bash completion of nightjar; written by `nightjar help --completion`\n_nightjar() {\n    local word=${COMP_WORDS[COMP_CWORD]} "
         "command= i");
    puts("    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n        -c | --set) ((i++)) ;;\n        -*) ;;\n   "
         "     *)\n            "
         "command=${COMP_WORDS[i]}\n            break\n            ;;\n        esac\n    done\n    local words=\n    case $command in");
    printf("    '') words='-c --set -v -q --version help");
    for (const struct nj_command_entry *entry = nj_commands; entry->name; entry++)
        printf(" %s", entry->name);
    puts("' ;;");
    for (const struct nj_command_entry *entry = nj_commands; entry->name; entry++) {
        printf("    %s) words='--set", entry->name);
        print_options(entry->synopsis);
        print_options(entry->details);
        print_words(entry->name);
        if (!strcmp(entry->name, "probe"))
            for (const struct nj_command_entry *probe = nj_probes; probe->name; probe++) {
                printf(" %s", probe->name);
                print_options(probe->synopsis);
            }
        puts("' ;;");
    }
    printf("    help) words='");
    for (const struct nj_command_entry *entry = nj_commands; entry->name; entry++)
        printf(" %s", entry->name);
    puts("' ;;\n    esac\n    case ${COMP_WORDS[COMP_CWORD - 1]} in\n    --state) words='open ready running done failed deferred' ;;");
    printf("    --status) words='open accepted corrected all' ;;\n    --species) words='");
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        printf("%s%s", i ? " " : "", nj_species[i].label);
    puts("' ;;\n    esac\n    if [[ $command == review && ${COMP_WORDS[i + 1]} == correct && $word != -* ]]; then");
    puts("        words+=' blank= species= count= young= standing= resting= moving= eating= interacting= people= note='\n        compopt "
         "-o nospace 2>/dev/null\n    fi");
    puts("    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\ncomplete -o default -F _nightjar nightjar");
}
