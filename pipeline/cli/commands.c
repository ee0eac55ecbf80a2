#include "pipeline/cli/cli.h"

#include <stddef.h>

const struct nj_command_entry nj_commands[] = {
    {"ask", "[-m MODEL] [--image FILE]… [--tools] [--think] [--temperature T] [--top-p P] [--top-k K] [--seed S] [--max-tokens N] QUESTION",
     "a free question to the model", nj_cmd_ask,
     "The answer is streamed to stdout, thoughts to stderr. Defaults: temperature 1, top-p 0.95, top-k 64 (temperature 0 takes the "
     "likeliest\n"
     "token each time), 512 tokens, model and seed of the settings. --soft-tokens N is the budget of each picture: 70, 140, 280, 560 or "
     "1120.\n"
     "--think lets the model think first, for at most --thought-tokens N (512), which do not count as answer.\n"
     "--tools answers out of what the station has recorded: the model looks it up (at least once, at most --calls N times, 4), calls and "
     "what "
     "they\n"
     "returned go to stderr, one JSON object a line. --seconds N ends it in good order (status 75) when it takes longer. No thoughts, no "
     "pictures.\n"
     "--lora DIR adds an adapter, --mmproj FILE the vision tower of a GGUF model, --exact computes in fp32."},
    {"bench",
     "[-m MODEL] [--peer PROGRAM --peer-model FILE [--peer-mmproj FILE] | --peer CMD | --agree N [--prompt-tokens N]] [--only PART] "
     "[--runs N] "
     "[--tokenizer FILE.json] [--power-saver | --exact] [--cpu-time] [--json] | "
     "--make-model "
     "FILE.nj",
     "speed and memory on this machine, beside its own limits", nj_cmd_bench,
     "Every line is measured in turn with the limit it is compared to: int16, int8 and fp32 multiply-adds of this processor, or reading of "
     "memory.\n"
     "--cpu-time counts processor time, for a machine that others use too.\n"
     "--only PART keeps the lines whose name contains PART. --make-model writes random weights of the true shapes;\n"
     "--tokenizer gives its events the words of a real model, so that prompts and answers have their true length. What an answer says is "
     "given, with\n"
     "one detection and a short reason, as real ones have; all that it takes to find it is done.\n"
     "--peer PROGRAM --peer-model FILE runs another program on each part, in turn with ours, with as many threads; --peer-mmproj FILE, its "
     "vision tower,\n"
     "adds a picture and whole events. It is called with --model, --mmproj, --threads, --pp N (positions of a prompt), --tg N (tokens of "
     "an "
     "answer), --image,\n"
     "--soft-tokens, --prompt, --schema and prints one JSON object: prefill_tps and decode_tps, or vision_s, images and event_s; peak_mib. "
     "Files that we write\n"
     "for it are gone afterwards. With --power-saver ours are 8-bit.\n"
     "--peer CMD alone is a shell command that does all of it by itself; it may also tell decode_s and tokens, of the answer of its "
     "event.\n"
     "--agree N compares both fast engines with the exact one on N random prompts."},
    {"clock", "ID TIME|±SPAN [--by NAME]", "say that a camera's clock was wrong", nj_cmd_clock,
     "TIME is when the event truly began (2021-06-30T05:12:00); a span (+3600, -2h, +1d) is added to what is added already. Holds for all "
     "pictures\n"
     "of that camera on that card. Times as read stay as they are; `events show` tells both, reports and exports use the corrected ones."},
    {"conf", "", "print the commented settings file with every key and its default", nj_cmd_conf, NULL},
    {"convert", "SOURCE -o FILE.nj [options]", "any supported checkpoint into the packed file that a station maps", nj_cmd_convert,
     nj_convert_details},
    {"doctor", "[--json | --csv]", "checks clock, battery, alarm, lines, cards, disk, database, model; each line with its remedy",
     nj_cmd_doctor,
     "Changes nothing. A warning is something that the station can live with; a failure (exit status 1) is not. Run it as the station's "
     "user:\n"
     "`sudo -u nightjar nightjar doctor`."},
    {"eval", "LABELS.jsonl [-m MODEL] [--card DIR] [--task TASK] [--mode MODE] [--limit N] [--each] [--calibrate FILE] [--json] [--exact]",
     "answers scored against labels, n beside each rate", nj_cmd_eval,
     "A row is an event with its files and what is true of it (as trapcam writes it), or an answer of another runtime in \"raw\", with or\n"
     "without its \"label\". Two tables: strict (every event counts) and the authors'. Beside them confusion of species and how far the\n"
     "stated probabilities hold.\n"
     "  --card DIR   where the files are (LABELS without .truth.jsonl)\n"
     "  --task, --mode  only rows whose \"phase\" (or \"task\") and \"mode\" are these; all rows are counted by both\n"
     "  --each       also a line an event: label, answer, probability\n"
     "  --calibrate FILE  fit how often an answer of that probability was right. Put as MODEL.calibration.json beside the model, the table "
     "gives\n"
     "               the probability that rangers see; without it they see the model's own, raw."},
    {"events", "[--night DATE] [--from DATE] [--to DATE] [--species LABEL] [--state STATE] [--limit N] [--json | --csv] | show ID",
     "what was seen", nj_cmd_events,
     "Lists events in order of time, or the newest N. `events show ID` tells all about one: what is in it, or why it was not read yet; the "
     "first\n"
     "letters of an ID will do. --choices adds the probability of each choice. --json prints one object a line; its `json` is the\n"
     "savanna_sentinel_event_v1 record. A night is the date on which it began, noon to noon."},
    {"export", "camtrap-dp|csv|megadetector|timelapse|training -o FILE|FOLDER [--night DATE | --from DATE --to DATE] [--people]",
     "what was seen, for other programs", nj_cmd_export,
     "camtrap-dp    a Camera Trap Data Package 1.0.1 in a folder, for biologists' tools and GBIF\n"
     "csv           one row an animal, with everything that is known\n"
     "megadetector  JSON 1.4 as MegaDetector writes it; the box of each detection is the whole picture\n"
     "timelapse     one row a picture, for Timelapse's CSV import\n"
     "training      what rangers accepted or corrected, as chat messages with pictures (a folder): the next adapter learns from it.\n"
     "              training.jsonl for Unsloth and Axolotl; images, a Hugging Face imagefolder, for TRL and the Gemma cookbook\n\n"
     "Times are put right by the clock corrections on record. Events that may show people stay out unless --people is given. In tables, "
     "text\n"
     "that a spreadsheet would take for a formula has an apostrophe in front. -o - writes a file's text to standard output."},
    {"probe", "NAME …", "for those who verify the model", nj_cmd_probe, NULL},
    {"report",
     "[--night DATE | --from DATE --to DATE] [--people] -o FILE.html [--narrative [-m MODEL] [--max-tokens N]] | --narrative … -o "
     "FILE.json",
     "one self-contained page: what was seen, when, what needs review, power", nj_cmd_report,
     "Without a date: the newest night that has events. The page needs no script and no network, fits a phone and can be printed. Events "
     "that may\n"
     "show people are left out but for their number; --people shows them, too. -o - writes to standard output.\n"
     "--narrative lets the model tell the nights in sentences (savanna_sentinel_report_v1, at most --max-tokens N, 1024): every figure in "
     "them is one "
     "that\n"
     "the database returned; what was returned goes to stderr. With -o FILE.html the sentences stand on the page, marked as the model's; "
     "with any other name\n"
     "the report is written as JSON. --seconds N ends it (status 75) when it takes longer."},
    {"review", "[list] [--status STATUS] [--night DATE] | show ID | accept ID… | correct ID FIELD=VALUE… | undo ID…  [--by NAME]",
     "what a person should look at, and what the person says", nj_cmd_review,
     "Lists what is open (--status accepted, corrected or all for the rest). `show` opens the first picture where there is a desktop, else "
     "draws\n"
     "it in characters. `accept` says that the model is right, `escalate` puts an event first, `undo` takes the last decision back. The "
     "model's\n"
     "answer is always kept. --by records who decided (else the login), --note adds a remark.\n\n"
     "  blank=yes|no                 nothing is in the pictures, or something is\n"
     "  species=LABEL[,LABEL…]       these animals; one label renames a lone animal and keeps the rest\n"
     "  count=N                      how many; also 11-50 and 51+\n"
     "  young=yes|no                 with young; likewise standing, resting, moving, eating, interacting\n"
     "  people=yes|no                people or vehicles are in the pictures\n"
     "  note=TEXT                    a remark\n\n"
     "Where an event has several animals, 2.count=3 or zebra.count=3 says which. Labels: aardvark aardwolf baboon batEaredFox buffalo "
     "bushbuck\n"
     "caracal cheetah civet dikDik eland elephant gazelleGrants gazelleThomsons genet giraffe guineaFowl hare hartebeest hippopotamus\n"
     "honeyBadger hyenaSpotted hyenaStriped impala jackal koriBustard leopard lionFemale lionMale mongoose ostrich otherBird porcupine "
     "reedbuck\n"
     "reptiles rhinoceros rodents secretaryBird serval topi vervetMonkey warthog waterbuck wildcat wildebeest zebra zorilla. English names "
     "will do."},
    {"run", "[--once] [--limit N] [--force]", "take in new pictures, then read the bursts that the power budget allows", nj_cmd_run,
     "  --once     end when nothing is left to do: what cron and the timer call\n"
     "  --limit N  read at most N bursts\n"
     "  --force    ignore the power budget, never the battery floor\n\n"
     "Ends with status 75 when it stopped early in good order: a signal, another run, the budget of the night."},
    {"simulate", "--weather F.csv --arrivals F.csv -o LOG.csv", "the real scheduler against simulated sun, battery, clock and cost",
     nj_cmd_simulate,
     "The world is set with --set sim.KEY=VALUE and the station's own keys. The last line on stdout is one JSON object with the score;\n"
     "-o - writes the log in front of it."},
    {"status", "[--json | --csv]", "station, battery, queue, last run, next wake, disk, model, warnings", nj_cmd_status, NULL},
    {"uplink", "[--once] [--dry-run] | status [--json | --csv] | decode FILE…", "send what is due, within the bytes of the day",
     nj_cmd_uplink,
     "  --dry-run    collect, pack and count, send nothing\n"
     "  status       what is in the outbox\n"
     "  decode FILE  the receiving side: message files, or lines of a radio, as JSON lines; what was sent twice is told once\n\n"
     "Ends with status 75 when the link failed or the bytes of the day are used up: what waits goes on waiting."},
    {"watch", "[--once]", "take in what is on the cards, and nothing else", nj_cmd_watch,
     "Scans the folders of ingest.cards, then follows them with inotify. --once: scans until the newest burst has settled, then exits. "
     "Files\n"
     "that have not changed are not read again; originals are only ever read."},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct nj_command_entry nj_probes[] = {
    {"accepts", "[-m MODEL] --schema S.json DOCS.jsonl", "which documents a schema allows, one JSON object a line", nj_probe_accepts,
     "Each line of DOCS.jsonl is a JSON string that holds the text of a document. A document that the model would not write as it stands "
     "is\n"
     "tried in canonical spelling and with its keys in any order, so the answer is whether it is valid; \"at\" is the byte at which its "
     "text as\n"
     "it stands was refused."},
    {"bursts", "CARD_DIR [--json]", "how the files of a card would be grouped; touches no database", nj_probe_bursts,
     "One line a burst (frames, times, trigger, the rule that closed it), then one line a file that is in none, with the reason."},
    {"detokenize", "-m MODEL", "text of a JSON list of ids on stdin", nj_probe_detokenize, NULL},
    {"generate", "-m MODEL --ids IDS.json -n N [--schema S.json] [--image FILE]… [--soft-tokens N] [--exact] [--json]",
     "the likeliest continuation of a prompt, as JSON", nj_probe_generate,
     "IDS.json is a JSON list with the expanded image positions; pictures fill them in order. The stop id, if one was reached, is the "
     "last\n"
     "of the ids and not part of the text. --exact computes in fp32 over the weights as stored. --mmproj FILE.gguf adds the vision tower "
     "of\n"
     "a GGUF model, --lora DIR an adapter. With --schema the answer is a document that is valid under it, closed when N is reached, and "
     "\"choices\"\n"
     "holds each decision between constants with its probability."},
    {"logits", "-m MODEL --ids IDS.json [--image FILE]… [--soft-tokens N] [--all] [--exact] -o L.npy",
     "logits after a prompt, or after each of its positions", nj_probe_logits,
     "The array is [positions][vocabulary] with --all, else [vocabulary]. Softcap applied."},
    {"mask", "-m MODEL (--schema S.json --ids IDS.json -o A.npy | --batch CASES.jsonl)", "the ids that a schema lets come next",
     nj_probe_mask,
     "The array is int32, sorted. Each line of CASES.jsonl, {\"schema\": FILE, \"ids\": [...]}, gives a line: how many ids may come next, "
     "the hash\n"
     "of the list, whether the document may end, or which id was refused, or why the schema was."},
    {"pixels", "IMAGE [--soft-tokens N] -o FILE.npy", "the picture as the model sees it, uint8 [H][W][3]", nj_probe_pixels, NULL},
    {"render", "-m MODEL [--think] [--no-generation] MESSAGES.json", "the prompt that a conversation becomes", nj_probe_render,
     "MESSAGES.json (or -): {\"messages\": [...], \"tools\": [...]}; image parts are {\"type\": \"image\"}."},
    {"tensors", "-m MODEL [--mmproj GGUF] [--json]", "name, shape, type and bytes of each tensor, and where the model comes from",
     nj_probe_tensors, NULL},
    {"tokenize", "-m MODEL [--special] [--file FILE]", "ids of a text (stdin or FILE) as a JSON list", nj_probe_tokenize,
     "--special splits the added tokens such as <|turn>; without it they are plain text."},
    {"triage", "LABELS.jsonl [--card DIR] [--each]", "the first score of interest of each burst, and how well it sorts", nj_probe_triage,
     "A row is a burst: {\"files\": [...], \"blank\": true|false}, perhaps with \"site_id\" (bursts of one camera share a background), as "
     "trapcam\n"
     "writes it; rows without \"blank\" are scored and not counted. --card DIR says where the files are (LABELS without .truth.jsonl). The "
     "last\n"
     "line holds the area under the curve: how often a burst with something in it stands before one without. --each prints all scores."},
    {"vision", "-m MODEL IMAGE [--soft-tokens N] [--exact] -o F.npy", "features of a picture as they replace the image positions",
     nj_probe_vision, "N is the budget: 70, 140, 280, 560 or 1120."},
    {NULL, NULL, NULL, NULL, NULL},
};
