"""Labels for `nightjar eval` from a list of real pictures. real.py MANIFEST.csv >LABELS.jsonl
The list has the columns file, burst and label; a label is free text. Pictures of one burst are one event; what shows
an animal of none of the species below is left out."""
import csv
import json
import re
import sys

BLANK = re.compile(r"^(blank|empty|no animal)")
SPECIES = ("elephant", "vervetMonkey", "mongoose")


def main():
    events = {}
    with open(sys.argv[1]) as rows:
        for row in csv.DictReader(rows):
            if row["label"]:
                events.setdefault(row["burst"] or row["file"], []).append(row)
    for rows in events.values():
        labels = [row["label"] for row in rows if not BLANK.match(row["label"])]
        species = sorted({name for label in labels for name in SPECIES if label.startswith(name)})
        if labels and not species:
            continue
        print(json.dumps({"files": [row["file"] for row in rows[:3]], "blank": not labels,
                          "detections": [{"species": name, "bin": "1", "behaviors": {}, "young": False} for name in species]}))


if __name__ == "__main__":
    main()
