#include "base/file.h"
#include "base/log.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/sentinel/species.h"
#include "pipeline/uplink/uplink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE (16u << 20)

static nj_status print_item(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == NJ_DB_INTEGER)
            printf("%s%s %" PRId64, i ? ", " : "", names[i], values[i].integer);
        else if (values[i].type == NJ_DB_TEXT)
            printf("%s%s %s", i ? ", " : "", names[i], values[i].text);
    }
    printf("\n");
    return NJ_OK;
}

static nj_status decode(struct nj_cli *cli, const char *path, const struct nj_summary_labels *labels)
{
    char          *bytes = NULL;
    size_t         size;
    struct nj_text text   = {0};
    nj_status      status = nj_cli_read(path, MAX_MESSAGE, &bytes, &size, &cli->error);
    if (status == NJ_OK)
        status = nj_uplink_decode(path, (const uint8_t *)bytes, size, &cli->conf, labels, &text, &cli->error);
    if (text.data)
        fwrite(text.data, 1, text.length, stdout);
    nj_text_free(&text);
    free(bytes);
    return status;
}

int nj_cmd_uplink(struct nj_cli *cli, int argc, char **argv)
{
    static const char             *names[NJ_SPECIES_COUNT];
    const struct nj_summary_labels labels = {names, NJ_SPECIES_COUNT};
    bool                           dry = false, show = false;
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        names[i] = nj_species[i].label;
    if (argc == 3 && !strcmp(argv[1], "decode"))
        return nj_exit(decode(cli, argv[2], &labels));
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--dry-run"))
            dry = true;
        else if (!strcmp(argv[i], "status"))
            show = true;
        else if (strcmp(argv[i], "--once"))
            return nj_usage("uplink", "%s: not understood here", argv[i]);
    }
    char                    path[NJ_CONF_TEXT + 256];
    struct nj_db           *db      = NULL;
    struct nj_db_options    options = {.mode = show ? NJ_DB_READ : NJ_DB_WRITE};
    struct nj_uplink_result result  = {0};
    nj_status               status  = NJ_OK;
    if (!nj_conf_place(path, sizeof path, cli->conf.database.path))
        status = nj_fail(&cli->error, "%s: the path is too long", cli->conf.database.path);
    if (status == NJ_OK)
        status = nj_db_open(path, &options, &db, &cli->error);
    if (status != NJ_OK)
        return nj_exit(status);
    if (show) {
        struct nj_db_query query = {.view = "outbox"};
        status                   = nj_db_select(db, &query, print_item, NULL, &cli->error);
    } else {
        status = nj_uplink_run(db, &cli->conf, &labels, dry, &result, &cli->error);
        if (status != NJ_NOT_FOUND)
            printf("%" PRId64 " new in the outbox, %" PRId64 " %s in %" PRId64 " bytes, %" PRId64 " wait, %" PRId64 " bytes left today\n",
                   result.collected, result.sent, dry ? "would leave" : "sent", result.bytes, result.waiting, result.bytes_left_today);
    }
    nj_db_close(db);
    return nj_exit(status);
}
