#include "pipeline/cli/arguments.h"
#include "base/clock.h"
#include "base/text.h"
#include "pipeline/cli/cli.h"

#include <stdlib.h>
#include <string.h>

static bool is_date(const char *text)
{
    int64_t  year;
    unsigned month, day;
    for (int i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return false;
    if (text[10] || text[5] > '1' || strtoul(text + 5, NULL, 10) == 0 || strtoul(text + 5, NULL, 10) > 12 ||
        strtoul(text + 8, NULL, 10) == 0)
        return false;
    nj_date_from_days(
        nj_days_from_date(strtol(text, NULL, 10), (unsigned)strtoul(text + 5, NULL, 10), (unsigned)strtoul(text + 8, NULL, 10)), &year,
        &month, &day);
    return day == strtoul(text + 8, NULL, 10); /* the 31st of February comes back as another day */
}

static const struct nj_argument *find(const struct nj_argument *options, const char *word)
{
    size_t length = strcspn(word, "=");
    for (; options->name; options++)
        if (strlen(options->name) == length && !memcmp(options->name, word, length))
            return options;
    return NULL;
}

static void unknown(const char *command, char *word, const struct nj_argument *options)
{
    struct nj_guess guess    = {.word = word};
    word[strcspn(word, "=")] = 0;
    for (; options->name; options++)
        nj_guess_try(&guess, options->name);
    if (guess.best)
        nj_usage(command, "%s: no such option; did you mean %s?", word, guess.best);
    else
        nj_usage(command, "%s: no such option", word);
}

static bool take(const char *command, const struct nj_argument *option, const char *value)
{
    char *end;
    switch (option->kind) {
    case NJ_ARG_FLAG:
        *(bool *)option->value = true;
        return true;
    case NJ_ARG_NIGHT:
        if (!is_date(value)) {
            nj_usage(command, "%s %s: a date like 2024-05-31 is expected", option->name, value);
            return false;
        }
        *(const char **)option->value = value;
        return true;
    case NJ_ARG_COUNT:
        *(int64_t *)option->value = strtoll(value, &end, 10);
        if (end == value || *end || *(int64_t *)option->value < 1) {
            nj_usage(command, "%s %s: a number from 1 is expected", option->name, value);
            return false;
        }
        return true;
    case NJ_ARG_TEXT:
        *(const char **)option->value = value;
        return true;
    }
    return false;
}

int nj_arguments(int argc, char **argv, const struct nj_argument *options)
{
    int words = 1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--")) {
            while (++i < argc)
                argv[words++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || !argv[i][1] || (argv[i][1] >= '0' && argv[i][1] <= '9')) { /* -2h is a span */
            argv[words++] = argv[i];
            continue;
        }
        const struct nj_argument *option = find(options, argv[i]);
        const char               *equals = strchr(argv[i], '=');
        if (!option) {
            unknown(argv[0], argv[i], options);
            return -1;
        }
        if (option->kind == NJ_ARG_FLAG ? equals != NULL : !equals && i + 1 == argc) {
            nj_usage(argv[0], option->kind == NJ_ARG_FLAG ? "%s takes no value" : "%s: a value is missing", option->name);
            return -1;
        }
        if (!take(argv[0], option, option->kind == NJ_ARG_FLAG ? NULL : equals ? equals + 1 : argv[++i]))
            return -1;
    }
    argv[words] = NULL;
    return words;
}
