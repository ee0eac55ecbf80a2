/* table.h: reads a table of cases: `word rest of the line`, empty lines and lines that begin with # left out. */
#ifndef NJ_TESTS_CONFORMANCE_TABLE_H
#define NJ_TESTS_CONFORMANCE_TABLE_H

#include "tests/tap.h"

#include <stdbool.h>

__attribute__((unused)) static void table_read(const char *path, void (*line)(const char *word, const char *rest, size_t number, void *arg),
                                               void       *arg)
{
    FILE  *file     = fopen(path, "rb");
    char  *text     = NULL;
    size_t capacity = 0, number = 0;
    for (ssize_t length; file && (length = getline(&text, &capacity, file)) > 0;) {
        number++;
        text[strcspn(text, "\n")] = 0;
        char *rest                = strchr(text, ' ');
        if (text[0] == '#' || text[0] == 0)
            continue;
        if (rest)
            *rest++ = 0;
        line(text, rest ? rest : "", number, arg);
    }
    CHECK(number > 0, "%s has lines", path);
    free(text);
    if (file)
        fclose(file);
}

#endif
