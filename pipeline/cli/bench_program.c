/* bench_program.c: the peer as a program, asked for each part of our work by its arguments: --model and --mmproj FILE, --threads N, --pp N (positions of a
 * prompt), --tg N (tokens one at a time), --image FILE, --soft-tokens N, --prompt and --schema FILE. What they name is written into a folder of its own, which
 * goes again. */
#include "base/text.h"
#include "pipeline/cli/bench.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nj_peer_program {
    struct nj_peer peer;
    unsigned       threads;
    uint32_t       tokens;                /* of the answer */
    char           folder[NJ_BENCH_PATH]; /* "": not made */
    struct nj_text command;
};

nj_status nj_peer_program_open(const struct nj_bench *bench, const struct nj_peer *peer, const struct nj_bench_event *event,
                               struct nj_peer_program **out, struct nj_error *error)
{
    const char             *parent  = getenv("TMPDIR");
    struct nj_peer_program *program = calloc(1, sizeof *program);
    *out                            = program;
    if (!program)
        return nj_fail(error, "no memory for a peer");
    program->peer    = *peer;
    program->threads = nj_pool_threads(bench->pool);
    int length       = snprintf(program->folder, sizeof program->folder, "%s/nightjar-bench-XXXXXX", parent && *parent ? parent : "/tmp");
    if (length >= (int)sizeof program->folder - 16 || !mkdtemp(program->folder)) {
        nj_status status   = nj_fail_errno(error, errno, "%.100s: no folder for a peer's files can be made", program->folder);
        program->folder[0] = 0;
        return status;
    }
    return nj_bench_event_write(event, program->folder, &program->tokens, error);
}

void nj_peer_program_close(struct nj_peer_program *program)
{
    DIR           *folder = program && *program->folder ? opendir(program->folder) : NULL;
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder) {
        closedir(folder);
        rmdir(program->folder);
    }
    if (program)
        nj_text_free(&program->command);
    free(program);
}

/* An option and its file, quoted for the shell. */
static void add_file(struct nj_text *command, const char *option, const char *path)
{
    nj_text_addf(command, " %s '", option);
    for (; *path; path++)
        nj_text_addf(command, *path == '\'' ? "'\\%c'" : "%c", *path);
    nj_text_add(command, "'");
}

/* The same with one of its own files. */
static void add_own(struct nj_peer_program *program, const char *option, const char *name)
{
    char path[NJ_BENCH_PATH + 16];
    snprintf(path, sizeof path, "%s/%s", program->folder, name);
    add_file(&program->command, option, path);
}

const char *nj_peer_program_command(struct nj_peer_program *program, enum nj_peer_part part)
{
    static const char *const pictures[] = {"0.jpg", "1.jpg", "2.jpg"};
    static const struct {
        const char *numbers;
        size_t      pictures;
        bool        prompt, answer;
    } parts[]               = {[NJ_PEER_PREFILL] = {"--pp 512 --tg 2", 0, false, false},
                               [NJ_PEER_DECODE]  = {"--pp 16 --tg 32", 0, false, false},
                               [NJ_PEER_ANSWER]  = {"--pp 16", 0, false, true},
                               [NJ_PEER_VISION]  = {"--soft-tokens 280 --tg 1", 1, false, false},
                               [NJ_PEER_EVENT]   = {"--soft-tokens 280", 3, true, true}};
    struct nj_text *command = &program->command;
    nj_text_clear(command);
    nj_text_addf(command, "%s --threads %u %s", program->peer.program, program->threads, parts[part].numbers);
    add_file(command, "--model", program->peer.model);
    if (parts[part].pictures)
        add_file(command, "--mmproj", program->peer.mmproj);
    for (size_t i = 0; i < parts[part].pictures; i++)
        add_own(program, "--image", pictures[i]);
    if (parts[part].prompt)
        add_own(program, "--prompt", "prompt.txt");
    if (parts[part].answer) {
        add_own(program, "--schema", "schema.json");
        nj_text_addf(command, " --tg %u", program->tokens);
    }
    return command->failed ? NULL : command->data;
}
