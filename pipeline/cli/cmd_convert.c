/* cmd_convert.c: `nightjar convert SRC -o FILE.nj ...` */
#include "base/log.h"
#include "base/pool.h"
#include "pipeline/cli/calibration.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/interrupt.h"
#include "pipeline/model/convert.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char nj_convert_details[] =
    "SOURCE is a folder with config.json and safetensors (bf16, fp16, fp32, or compressed-tensors W4A16), a GGUF file, or a packed "
    "file.\n\n"
    "  --mmproj FILE.gguf        the vision companion of a GGUF\n"
    "  --quantize w4a16|none     the language model's matrices to int4, by round to nearest (none)\n"
    "  --group 32|64|128|channel inputs that share a scale (128)\n"
    "  --head bf16|int8|int4     how the output head is stored (as the source has it)\n"
    "  --lora DIR                merge a LoRA adapter; may be given several times, merged in this order\n"
    "  --partial                 merge also adapters of which only a part fits\n"
    "  --prune-mlp FRACTION      remove the least salient MLP channels of each layer\n"
    "  --prune-keep FILE.json    keep exactly the channels that FILE lists for each layer\n"
    "  --calibrate CARD|TEXT     let a folder of pictures, or a text, decide how weights are rounded and which channels go; measures what\n"
    "                            was lost\n"
    "  --to compressed-tensors   write a folder that transformers and vLLM load, in place of a packed file; -o names it\n"
    "  --random tiny|e4b         in place of SOURCE: random weights, never trained, for demonstrations and measurements\n"
    "  --seed N                  of the random weights (0)\n";

struct display {
    struct nj_progress bar;
    const char        *phase;
    uint64_t           done;
};

static bool on_progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
    struct display *display = arg;
    if (!display->phase || strcmp(display->phase, phase)) {
        if (display->phase)
            nj_progress_end(&display->bar, display->done);
        display->bar   = (struct nj_progress){0};
        display->phase = phase;
        nj_progress_begin(&display->bar, phase, "MB", total / 1000000);
    }
    display->done = done / 1000000;
    nj_progress_at(&display->bar, display->done);
    return nj_interrupted(NULL);
}

static int choose(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i]))
            return i;
    return -1;
}

static int read_options(int argc, char **argv, struct nj_convert_options *options, const char **adapters, const char **source,
                        const char **target)
{
    static const struct option known[] = {{"output", required_argument, NULL, 'o'},     {"quantize", required_argument, NULL, 'q'},
                                          {"group", required_argument, NULL, 'g'},      {"head", required_argument, NULL, 'h'},
                                          {"mmproj", required_argument, NULL, 'm'},     {"random", required_argument, NULL, 'r'},
                                          {"seed", required_argument, NULL, 's'},       {"lora", required_argument, NULL, 'l'},
                                          {"partial", no_argument, NULL, 'p'},          {"to", required_argument, NULL, 't'},
                                          {"calibrate", required_argument, NULL, 'c'},  {"prune-mlp", required_argument, NULL, 'x'},
                                          {"prune-keep", required_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
    static const char *const methods[] = {"none", "w4a16", NULL}, *const groups[] = {"channel", "32", "64", "128", NULL},
                             *const heads[] = {"keep", "bf16", "int8", "int4", NULL};
    static const uint32_t           sizes[] = {0, 32, 64, 128};
    int                             chosen;
    char                           *end;
    options->plan.group = 128;
    optind              = 1;
    for (int letter; (letter = getopt_long(argc, argv, "o:", known, NULL)) != -1;) {
        switch (letter) {
        case 'o':
            *target = optarg;
            break;
        case 'm':
            options->mmproj = optarg;
            break;
        case 'r':
            options->random = true;
            *source         = optarg;
            break;
        case 'l':
            if (options->adapter_count == NJ_MAX_ADAPTERS)
                return nj_usage("convert", "--lora: at most %d adapters at once", NJ_MAX_ADAPTERS);
            adapters[options->adapter_count++] = optarg;
            break;
        case 'p':
            options->partial = true;
            break;
        case 'c':
            options->calibration                                          = nj_cli_calibrate;
            options->decide                                               = nj_cli_decide;
            ((struct nj_cli_calibration *)options->calibration_arg)->path = optarg;
            break;
        case 't':
            if (strcmp(optarg, "compressed-tensors") && strcmp(optarg, "nightjar"))
                return nj_usage("convert", "--to %s: it is compressed-tensors, or nightjar for the packed file", optarg);
            options->to_folder = *optarg == 'c';
            break;
        case 'x':
            options->prune = strtod(optarg, &end);
            if (*end || !(options->prune > 0 && options->prune < 1))
                return nj_usage("convert", "--prune-mlp %s: a fraction between 0 and 1 is expected", optarg);
            break;
        case 'k':
            options->keep = optarg;
            break;
        case 's':
            options->seed = strtoull(optarg, &end, 10);
            if (*end || *optarg < '0' || *optarg > '9')
                return nj_usage("convert", "--seed %s: a whole number is expected", optarg);
            break;
        case 'q':
            if ((chosen = choose(optarg, methods)) < 0)
                return nj_usage("convert", "--quantize %s: it is w4a16 or none", optarg);
            options->plan.quantize = chosen == 1;
            break;
        case 'g':
            if ((chosen = choose(optarg, groups)) < 0)
                return nj_usage("convert", "--group %s: it is 32, 64, 128 or channel", optarg);
            options->plan.group = sizes[chosen];
            break;
        case 'h':
            if ((chosen = choose(optarg, heads)) < 0)
                return nj_usage("convert", "--head %s: it is bf16, int8 or int4", optarg);
            options->plan.head = (enum nj_head)chosen;
            break;
        default:
            return nj_usage("convert", "see `nightjar help convert`");
        }
    }
    if (argc - optind != !options->random)
        return nj_usage("convert", optind < argc ? "%s: only one source at a time" : "what shall be converted?", argv[argc - 1]);
    if (!options->random)
        *source = argv[optind];
    if (!*target)
        return nj_usage("convert", "where to? -o FILE.nj is missing");
    return 0;
}

/* One line an adapter, and the names of what did not fit; also when that is why nothing was written. */
static void print_adapters(const struct nj_convert_report *report)
{
    if (report->adapter_count)
        nj_log(NJ_LOG_INFO, "%-40s %9s %9s %9s %11s", "adapter", "expected", "merged", "missing", "unexpected");
    for (size_t i = 0; i < report->adapter_count; i++) {
        const struct nj_lora_match *match = &report->adapters[i].match;
        nj_log(NJ_LOG_INFO, "%-40s %9zu %9zu %9zu %11zu", report->adapters[i].path, match->expected, match->merged, match->missing,
               match->unexpected);
        if (match->unused)
            nj_log(NJ_LOG_INFO, "  %zu of the expected are keys and values of layers that read those of others: without effect",
                   match->unused);
        const char *names[] = {match->missing_names.data, match->unexpected_names.data}, *words[] = {"missing", "unexpected"};
        for (size_t k = 0; k < 2; k++)
            for (const char *name = names[k]; name && *name; name += strcspn(name, "\n") + 1)
                nj_log(NJ_LOG_INFO, "  %s: %.*s", words[k], (int)strcspn(name, "\n"), name);
    }
}

static void print_report(const char *target, bool folder, const struct nj_convert_report *report)
{
    nj_log(NJ_LOG_INFO, "%s: %.2f GB; of %zu modules %zu are int4, %zu int8; %zu as the source had them", target,
           (double)report->bytes / 1e9, report->modules, report->int4, report->int8, report->kept);
    if (report->removed)
        nj_log(NJ_LOG_INFO, "%llu of %llu MLP channels were removed", (unsigned long long)report->removed,
               (unsigned long long)report->channels);
    if (folder && report->uneven)
        nj_log(NJ_LOG_WARNING,
               "layers of this model have MLPs of different widths: transformers and vLLM know only one and will not load it");
    if (report->recovered > 0)
        nj_log(NJ_LOG_INFO, "the others took over %.1f %% of what those did", 100 * report->recovered);
    if (report->rounded > report->calibrated)
        nj_log(NJ_LOG_INFO, "%zu modules were rounded to nearest; their weights changed by %.2f %% (root mean square, relative)",
               report->rounded - report->calibrated, 100 * report->error);
    if (report->calibrated)
        nj_log(NJ_LOG_INFO,
               "%zu modules were rounded by calibration; their outputs change by %.2f %%, rounded to nearest it would be %.2f %%",
               report->calibrated, 100 * report->output_error, 100 * report->nearest);
    if (report->positions)
        nj_log(NJ_LOG_INFO, "over %zu positions: perplexity %.3f before, %.3f after; the same likeliest token at %.1f %%",
               report->positions, report->perplexity_before, report->perplexity_after, 100 * report->agreement);
    const char *kind;
    json_t     *pair;
    json_object_foreach(report->decisions, kind, pair)
        nj_log(NJ_LOG_INFO, "  %s: the same decision %lld of %lld times", kind, (long long)json_integer_value(json_array_get(pair, 0)),
               (long long)json_integer_value(json_array_get(pair, 1)));
}

int nj_cmd_convert(struct nj_cli *cli, int argc, char **argv)
{
    struct display            display     = {0};
    struct nj_cli_calibration calibration = {0};
    struct nj_convert_options options     = {.progress = on_progress, .progress_arg = &display, .calibration_arg = &calibration};
    struct nj_convert_report  report      = {0};
    const char               *source = NULL, *target = NULL, *adapters[NJ_MAX_ADAPTERS];
    int                       usage = read_options(argc, argv, &options, adapters, &source, &target);
    if (usage)
        return usage;
    options.adapters = adapters;
    nj_interrupt_listen(0);
    nj_status status = nj_pool_open((unsigned)cli->conf.model.threads, &options.pool, &cli->error);
    if (status == NJ_OK)
        status = nj_convert(source, target, &options, &report, &cli->error);
    if (display.phase)
        nj_progress_end(&display.bar, display.done);
    nj_pool_close(options.pool);
    print_adapters(&report);
    if (status == NJ_OK)
        print_report(target, options.to_folder, &report);
    nj_convert_report_free(&report);
    nj_cli_calibration_free(&calibration);
    return nj_exit(status);
}
