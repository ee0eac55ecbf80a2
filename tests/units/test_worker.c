/* The picture process: what it may not do, how it judges, and that its death is the outcome of one file only. */
#include "base/file.h"
#include "pipeline/picture/sandbox.h"
#include "pipeline/picture/worker.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>

/* ---- the sandbox ---- */

static int try_open(void)
{
    return open("/etc/passwd", O_RDONLY);
}
static int try_create(void)
{
    return open("/tmp/nj-must-not-be", O_WRONLY | O_CREAT, 0600);
}
static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static int try_fork(void)
{
    return fork();
}
static int try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}
static int try_kill(void)
{
    return kill(getppid(), 0);
}
static int try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}
static int try_other_descriptor(void)
{
    return (int)write(STDOUT_FILENO, "", 0);
}
static int try_memory(void)
{
    char *bytes = malloc(1 << 20);
    if (!bytes)
        return -1;
    memset(bytes, 1, 1 << 20);
    int sum = bytes[77];
    free(bytes);
    return sum;
}

/* What became of the attempt: 'd' died of SIGSYS, 'r' refused by the kernel, 's' it succeeded, 'u' no filter here. */
static char outcome(int (*attempt)(void))
{
    int   pipe_fds[2], status;
    char  said = 0;
    pid_t pid  = pipe(pipe_fds) == 0 ? fork() : -1;
    if (pid == 0) {
        bool            filtered;
        struct nj_error error;
        nj_sandbox_enter(pipe_fds[1], 64 << 20, &filtered, &error);
        char answer = !filtered ? 'u' : attempt() < 0 ? 'r' : 's';
        if (write(pipe_fds[1], &answer, 1) != 1)
            _exit(2);
        _exit(0);
    }
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], &said, 1);
    close(pipe_fds[0]);
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? 'd' : got == 1 ? said : '?';
}

static void check_sandbox(void)
{
    static const struct {
        const char *what;
        int (*attempt)(void);
    } forbidden[] = {{"open a file", try_open},           {"make a file", try_create},
                     {"open a socket", try_socket},       {"fork", try_fork},
                     {"start a program", try_exec},       {"signal its parent", try_kill},
                     {"map memory to execute", try_code}, {"write to another descriptor", try_other_descriptor}};
    if (outcome(try_memory) == 'u') {
        SKIP("no seccomp filter here");
        return;
    }
    CHECK(outcome(try_memory) == 's', "in the sandbox memory can be had");
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        char was = outcome(forbidden[i].attempt);
        CHECK(was == 'd' || was == 'r', "in the sandbox nobody can %s (%c)", forbidden[i].what, was);
    }
}

/* ---- pictures ---- */

static size_t load(struct nj_worker *worker, const char *path)
{
    uint8_t *bytes = NULL;
    size_t   size  = 0;
    if (nj_file_read(path, nj_worker_file_limit(worker), &bytes, &size, NULL) == NJ_OK && size)
        memcpy(nj_worker_input(worker), bytes, size);
    free(bytes);
    return size;
}

/* The exit status of djpeg 2.1.5, column 8 of the manifest; columns may be in quotes. */
static int judgement(const char *line)
{
    unsigned column = 1;
    bool     quoted = false;
    for (; *line && column < 8; line++) {
        quoted ^= *line == '"';
        column += *line == ',' && !quoted;
    }
    return atoi(line);
}

/* djpeg is the judge: what it reads without complaint is used, what it gives up is refused. Where it goes on with a warning, either may be
 * right, but a picture that is used then has a note. */
static void check_malformed(struct nj_worker *worker, const char *shared)
{
    char   path[5000], line[2048];
    size_t usable = 0, noted = 0, refused = 0;
    snprintf(path, sizeof path, "%s/data/malformed/manifest.csv", shared);
    FILE *manifest = fopen(path, "r");
    while (manifest && fgets(line, sizeof line, manifest)) {
        struct nj_metadata    metadata;
        struct nj_examination verdict;
        int                   judge = judgement(line);
        line[strcspn(line, ",")]    = 0;
        if (!strcmp(line, "file"))
            continue;
        snprintf(path, sizeof path, "%s/data/malformed/%s", shared, line);
        nj_status status = nj_worker_examine(worker, load(worker, path), &metadata, &verdict, NULL, NULL);
        bool      agrees = judge == 0 ? verdict.usable : judge == 1 ? !verdict.usable : !verdict.usable || verdict.words[0];
        CHECK(status == NJ_OK && agrees && (verdict.usable || verdict.words[0]), "%s: djpeg %d, we: %s %s", line, judge,
              verdict.usable ? "used" : "refused:", verdict.words);
        usable += verdict.usable && !verdict.words[0];
        noted += verdict.usable && verdict.words[0];
        refused += !verdict.usable;
    }
    if (manifest)
        fclose(manifest);
    CHECK(usable == 21 && usable + noted + refused == 146, "%zu used, %zu used with a note, %zu refused", usable, noted, refused);
}

static void check_good(struct nj_worker *worker, const char *shared)
{
    char                  path[4200];
    const uint8_t        *luma;
    struct nj_metadata    metadata;
    struct nj_examination verdict;
    struct nj_picture     direct, through;
    uint8_t              *bytes;
    size_t                size;
    snprintf(path, sizeof path, "%s/data/images/speciesnet/african_elephants_with_exif_orientation.jpg", shared);
    size = load(worker, path);
    nj_worker_examine(worker, size, &metadata, &verdict, &luma, NULL);
    CHECK(verdict.usable && !verdict.words[0] && luma, "a good picture is used without a note");
    double sum = 0;
    for (size_t i = 0; luma && i < (size_t)verdict.small_width * verdict.small_height; i++)
        sum += luma[i];
    uint32_t side = verdict.small_width > verdict.small_height ? verdict.small_width : verdict.small_height;
    CHECK(side >= NJ_SMALL_SIDE && side < 2 * NJ_SMALL_SIDE, "its small form is %u x %u", verdict.small_width, verdict.small_height);
    if (nj_file_read(path, 64 << 20, &bytes, &size, NULL) != NJ_OK)
        return;
    if (!CHECK(nj_picture_decode(path, bytes, size, false, &direct, NULL) == NJ_OK &&
                   nj_worker_pixels(worker, path, size, false, &through, NULL) == NJ_OK,
               "it can be decoded here and there"))
        return;
    size_t pixels = (size_t)direct.width * direct.height;
    CHECK(metadata.orientation == 6 && metadata.width == direct.height && metadata.height == direct.width, "it lies on its side: %u x %u",
          metadata.width, metadata.height);
    CHECK(through.width == direct.width && through.height == direct.height && !memcmp(through.rgb, direct.rgb, pixels * 3),
          "and the pixels are the same");
    double whole = 0;
    for (size_t i = 0; i < pixels; i++)
        whole += 0.299 * direct.rgb[3 * i] + 0.587 * direct.rgb[3 * i + 1] + 0.114 * direct.rgb[3 * i + 2];
    double small_mean = sum / ((double)verdict.small_width * verdict.small_height), mean = whole / (double)pixels;
    CHECK(small_mean > mean - 1 && small_mean < mean + 1, "mean brightness %.2f of the small form, %.2f of the picture", small_mean, mean);
    struct nj_picture small  = {0};
    double            colour = 0;
    CHECK(nj_worker_small(worker, path, size, 256, &small, NULL) == NJ_OK, "a small form in colour");
    CHECK(small.width == direct.width / 8 && small.height == direct.height / 8, "upright, an eighth: %u x %u", small.width, small.height);
    for (size_t i = 0; i < (size_t)small.width * small.height; i++)
        colour += 0.299 * small.rgb[3 * i] + 0.587 * small.rgb[3 * i + 1] + 0.114 * small.rgb[3 * i + 2];
    colour /= (double)small.width * small.height;
    CHECK(colour > mean - 1 && colour < mean + 1, "mean brightness %.2f", colour);
    nj_picture_free(&small);
    nj_picture_free(&direct);
    nj_picture_free(&through);
    free(bytes);
}

static void check_limits(struct nj_worker *worker)
{
    struct nj_metadata    metadata;
    struct nj_examination verdict;
    struct nj_error       error = {0};
    CHECK(nj_worker_examine(worker, 0, &metadata, &verdict, NULL, NULL) == NJ_OK && !verdict.usable && strstr(verdict.words, "empty"),
          "an empty file: %s", verdict.words);
    CHECK(nj_worker_examine(worker, nj_worker_file_limit(worker) + 1, &metadata, &verdict, NULL, &error) == NJ_ERROR &&
              strstr(error.text, "at most"),
          "more than fits: %s", error.text);
}

/* ---- death ---- */

/* Sends `first` and then `second` to the child from outside, a moment later, while it is stopped in the middle of a request. */
static pid_t strike_later(pid_t child, int first, int second)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(100000);
        kill(child, first);
        kill(child, second);
        _exit(0);
    }
    return pid;
}

static void check_death(const char *shared)
{
    struct nj_worker_limits limits = {.wall_ms = 500};
    struct nj_worker       *worker;
    struct nj_metadata      metadata;
    struct nj_examination   verdict;
    struct nj_picture       picture;
    struct nj_error         error = {0};
    char                    path[4200];
    snprintf(path, sizeof path, "%s/data/images/brands/buow_RCNX0712.JPG", shared);
    if (!CHECK(nj_worker_open(&limits, &worker, &error) == NJ_OK, "a worker opens %s", error.text))
        return;
    size_t size = load(worker, path);

    kill(nj_worker_pid(worker), SIGSTOP);
    CHECK(nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL) == NJ_OK && !verdict.usable && strstr(verdict.words, "within"),
          "a child that hangs: %s", verdict.words);
    CHECK(nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL) == NJ_OK && verdict.usable && metadata.sequenced,
          "the next picture gets a fresh child");

    kill(nj_worker_pid(worker), SIGKILL);
    waitid(P_PID, (id_t)nj_worker_pid(worker), &(siginfo_t){0}, WEXITED | WNOWAIT);
    CHECK(nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL) == NJ_OK && verdict.usable,
          "a child that died between two pictures is no picture's fault");
    nj_worker_close(worker);

    limits.wall_ms = 60000;
    if (!CHECK(nj_worker_open(&limits, &worker, &error) == NJ_OK, "a patient worker opens %s", error.text))
        return;
    size = load(worker, path);
    kill(nj_worker_pid(worker), SIGSTOP);
    pid_t striker = strike_later(nj_worker_pid(worker), SIGSEGV, SIGCONT);
    CHECK(nj_worker_pixels(worker, "a.jpg", size, false, &picture, &error) == NJ_ERROR &&
              strstr(error.text, "a.jpg: no picture: the decoder crashed"),
          "a child that crashes: %s", error.text);
    waitpid(striker, NULL, 0);
    CHECK(nj_worker_pixels(worker, "a.jpg", size, false, &picture, &error) == NJ_OK, "the same picture again, and now it is read");
    nj_picture_free(&picture);
    pid_t pid = nj_worker_pid(worker);
    kill(pid, SIGTERM);
    CHECK(nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL) == NJ_OK && verdict.usable && nj_worker_pid(worker) == pid,
          "a SIGTERM to the whole group does not end the child");
    nj_worker_close(worker);
}

/* A progressive picture of one colour: a few kilobytes that ask for width × height × 6 bytes. */
static size_t make_bomb(uint8_t *out, size_t room, unsigned side, unsigned scans)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    uint8_t                    *bytes = NULL, *line = calloc(side, 3);
    unsigned long               size = 0;
    static jpeg_scan_info       script[250];
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = jpeg.image_height = side;
    jpeg.input_components                = 1;
    jpeg.in_color_space                  = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    /* the DC, then the 63 AC coefficients singly and bit by bit */
    script[0] = (jpeg_scan_info){.comps_in_scan = 1};
    for (unsigned i = 1; i < scans; i++) {
        int band = 1 + (int)(i - 1) % 63, bit = 10 - (int)(i - 1) / 63;
        script[i] = (jpeg_scan_info){.comps_in_scan = 1, .Ss = band, .Se = band, .Ah = bit == 10 ? 0 : bit + 1, .Al = bit};
    }
    jpeg.scan_info = script;
    jpeg.num_scans = (int)scans;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height)
        jpeg_write_scanlines(&jpeg, &line, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    size = size <= room ? size : 0;
    memcpy(out, bytes, size);
    free(bytes);
    free(line);
    return size;
}

static void check_bombs(struct nj_worker *worker)
{
    struct nj_metadata    metadata;
    struct nj_examination verdict;
    uint8_t              *input = nj_worker_input(worker);
    size_t                size  = make_bomb(input, nj_worker_file_limit(worker), 256, 2);
    nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL);
    CHECK(size && verdict.usable, "a small progressive picture is used %s", verdict.words);
    size = make_bomb(input, nj_worker_file_limit(worker), 64, 220);
    nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL);
    CHECK(size && !verdict.usable && strstr(verdict.words, "slow"), "one of 220 scans: %s", verdict.words);
    size = make_bomb(input, nj_worker_file_limit(worker), 256, 2);
    for (size_t i = 0; i + 9 < size; i++)
        if (input[i] == 0xff && input[i + 1] == 0xc2) { /* the frame header: say 60000 x 60000 */
            input[i + 5] = input[i + 7] = 0xea;
            input[i + 6] = input[i + 8] = 0x60;
            break;
        }
    nj_worker_examine(worker, size, &metadata, &verdict, NULL, NULL);
    CHECK(!verdict.usable && strstr(verdict.words, "too large"), "one that claims 60000 x 60000: %s", verdict.words);
    CHECK(metadata.width == 60000 && metadata.height == 60000, "its claim is told");
}

int main(void)
{
    struct nj_worker *worker;
    struct nj_error   error  = {0};
    const char       *shared = tap_shared();
    check_sandbox();
    if (!CHECK(nj_worker_open(NULL, &worker, &error) == NJ_OK, "the picture process starts %s", error.text))
        return tap_done();
    check_limits(worker);
    check_bombs(worker);
    if (shared) {
        check_malformed(worker, shared);
        check_good(worker, shared);
        check_death(shared);
    } else {
        SKIP("no reference pictures");
    }
    nj_worker_close(worker);
    return tap_done();
}
