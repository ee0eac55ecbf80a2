"""What the built-in model is taught to write: the event record in two dialects and the second look, cut where the station cuts them.

A text is a list of pieces: forced text, and choices. The whole is encoded together (lessons.py), as the station forces it, so the model meets there what it
learned from. Hardly a token reaches across the edge of a value (tokenizer.py): only `["` opens a list and its first word at once."""
import json

from events import COVER, SPECIES

HERDS = ("11-50", "51+")
BEHAVIORS = ("standing", "resting", "moving", "eating", "interacting")


def render(messages):
    """A question as the chat template renders it, with the place of each picture marked by <|image|>."""
    system, user = messages
    words = system["content"] if isinstance(system["content"], str) else "".join(part["text"].strip() + " " for part in system["content"])
    text = "".join("<|image|>" if part["type"] == "image" else part["text"].strip() for part in user["content"])
    return f"<bos><|turn>system\n{words}<turn|>\n<|turn>user\n{text}<turn|>\n<|turn>model\n"


def judged(event, cells):
    """Confidence and review as the training labels assign them, with visibility in place of the volunteers' votes. cells: [frames][planes][soft tokens]"""
    species = [d["species"] for d in event["detections"]]
    seen = {s: max((frame[COVER] == 1 + SPECIES.index(s)).sum() for frame in cells) / cells.shape[2] for s in species}
    reasons = []
    if len(species) > 1:
        reasons.append("multi_species_event")
    if event["night"] and species:
        reasons.append("night_event")
    if any(d["bin"] in HERDS for d in event["detections"]):
        reasons.append("high_count_event")
    flags = [r for r in reasons if r != "high_count_event"]
    label = "low" if any(seen[s] < 0.03 for s in species) else "medium" if flags or any(seen[s] < 0.08 for s in species) else "high"
    basis = flags or {"high": ["low_disagreement", "low_blank_votes"], "medium": ["moderate_label_support"], "low": ["weak_label_support"]}[label]
    return label, basis, reasons, "medium" if reasons else "none"


WORDS = {"high_count_event": "many animals", "multi_species_event": "more than one species", "night_event": "night picture"}
VIEW = {"high": "clear view", "medium": "partly visible", "low": "small or hidden"}


class Pieces:
    def __init__(self):
        self.pieces = [["", False]]

    def forced(self, text):
        if self.pieces[-1][1]:
            self.pieces.append(["", False])
        self.pieces[-1][0] += text

    def choice(self, value):
        self.pieces.append([json.dumps(value), True])

    def ends(self, text):
        """Forced, but that a list ends here, or goes on, was chosen: a piece of its own, whose first tokens count."""
        self.pieces.append([text, False])

    def list(self):
        return [(text, choice) for text, choice in self.pieces if text]


def answer(event, cells, dialect):
    """The event as pieces; together they are the compact document."""
    trained = dialect == "trained"
    label, basis, reasons, priority = judged(event, cells)
    blank = not event["detections"]
    p = Pieces()
    p.forced(f'{{"schema_version":"savanna_sentinel_event_v1","capture_event_id":"{event["capture_event_id"]}","event":{{"blank":')
    p.choice(blank)
    p.forced(f',"site_id":"{event["site_id"]}","local_datetime":"{event["local_datetime"]}","frame_count":{event["frame_count"]},"frames_used":"all_available"')
    if trained:
        p.forced(f',"time_context":{{"is_night":{"null" if blank else json.dumps(event["night"])},"datetime_source":"{"image_exif" if blank else "consensus"}"}}')
    p.forced('},"detections":[')
    for i, d in enumerate(event["detections"]):
        low, high = (11, 50) if d["bin"] == "11-50" else (d["count"], d["count"])
        p.forced((',' if i else '') + '{"species":')
        p.choice(d["species"])
        p.forced(',"count":{"bin":')
        p.choice(d["bin"])
        p.forced(f',"minimum":{low},"maximum":{high}}},"behaviors":{{')
        for j, name in enumerate(BEHAVIORS):
            p.forced((',' if j else '') + f'"{name}":')
            p.choice(d["behaviors"][name])
        p.forced('},"young_present":')
        p.choice(d["young"])
        if trained:
            p.forced(',"behavior_source":"consensus","visual_evidence":{"primary_frames":"all_available","description":""}')
        p.forced(',"confidence":{"label":')
        p.choice(label)
        p.forced(',"basis":[')
        if trained:
            for j, word in enumerate(basis):
                if j:
                    p.forced(",")
                p.choice(word)
        else:
            p.forced('"')
            p.pieces.append([f'{VIEW[label]}"', False])
        p.ends(']}}')
    p.forced('],"review":{"review_needed":')
    p.choice(bool(reasons))
    p.forced(',"priority":')
    if reasons:
        p.choice(priority)
        p.forced(',"reasons":[')
        for j, word in enumerate(reasons[:5 if trained else 2]):
            if j:
                p.ends(",")
            if trained:
                p.choice(word)
            else:
                p.forced('"')
                p.pieces.append([f'{WORDS[word]}"', False])
        p.ends(']}')
    else:
        p.forced('"none","reasons":[]}')
    p.forced(',"grounding":{')
    if trained:
        p.forced(f'"labels_used_for_training":"{"raw_blank_votes" if blank else "consensus"}",')
    p.forced('"environment_used_for_species_claim":false,"image_evidence_required":true}}')
    return p.list()


def second_look(event, cells):
    """savanna_sentinel_review_v1 as pieces: routed for the reasons of the event's own record; how uncertain, by what of the animals is to be seen."""
    label, _, reasons, priority = judged(event, cells)
    species = {"high": "low", "medium": "medium", "low": "high"}[label] if event["detections"] else "low"
    most = max([d["count"] for d in event["detections"]], default=0)
    decision = "review" if reasons else "accept"
    p = Pieces()
    p.forced(f'{{"schema_version":"savanna_sentinel_review_v1","capture_event_id":"{event["capture_event_id"]}","decision":')
    p.choice(decision)
    p.forced(f',"review_needed":{json.dumps(bool(reasons))},"priority":')
    if reasons:
        p.choice(priority)
    else:
        p.forced('"none"')
    p.forced(',"reasons":[')
    for i, word in enumerate(reasons):
        if i:
            p.forced(",")
        p.choice(word)
    p.forced('],"uncertainty":{"species_uncertainty":')
    p.choice(species)
    p.forced(',"count_uncertainty":')
    p.choice("high" if most > 5 else "medium" if most > 2 else "low")
    p.forced(',"blank_uncertainty":')
    p.choice("medium" if label == "low" and event["detections"] else "low")
    p.forced(f',"label_disagreement":"not_high"}},"routing":{{"queue":"{"expert_review" if reasons else "auto_accept"}","human_privacy_filter":')
    if reasons:
        p.choice(False)
        p.forced("}}")
    else:
        p.forced("false}}")
    return p.list()


KINDS, SHARES = ("live", "trained", "review", "ask"), (0.4, 0.35, 0.15, 0.1)
QUESTIONS = (("Which animals are in the pictures?", lambda e: ", ".join(d["species"] for d in e["detections"]) or "none"),
             ("Is there an animal?", lambda e: "yes" if e["detections"] else "no"),
             ("How many animals are there?", lambda e: str(sum(d["count"] for d in e["detections"]))),
             ("Is it day or night?", lambda e: "night" if e["night"] else "day"),
             ("What are the animals doing?", lambda e: ", ".join(sorted({b for d in e["detections"] for b in BEHAVIORS if d["behaviors"][b]})) or "nothing"),
             ("Are there young animals?", lambda e: "yes" if any(d["young"] for d in e["detections"]) else "no"))
DRAWN_SITE = '"A01"'


def some_site(random):
    """A name such as stations have, so that the model does not lean on one."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    kind, number = random.random(), int(random.integers(1, 100))
    if kind < 0.5:
        return f'"{letters[random.integers(26)]}{number:02d}"'
    name = "".join("abcdefghijklmnopqrstuvwxyz"[c] for c in random.integers(0, 26, int(random.integers(3, 9))))
    return f'"{name}-{number}"' if kind < 0.8 else f'"{name}"'


def conversation(event, cells, kind, random):
    """A question as rendered text and its answer as pieces. kind: a dialect of the event, "review" or "ask"."""
    if kind == "ask":
        question, reply = QUESTIONS[random.integers(len(QUESTIONS))]
        return f'<bos><|turn>user\n{"<|image|>" * event["frame_count"]}{question}<turn|>\n<|turn>model\n', [(reply(event), True)]
    site = some_site(random)
    pieces = second_look(event, cells) if kind == "review" else answer(event, cells, kind)
    return render(event[kind]).replace(DRAWN_SITE, site), [(text.replace(DRAWN_SITE, site), choice) for text, choice in pieces]
