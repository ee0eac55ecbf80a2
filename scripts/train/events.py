"""Drawn events on disk: frames as the model sees them, what each soft token shows, and the truth. Made once by `trapcam stream`, read by all steps."""
import json
import os
import subprocess

import numpy as np

from shape import GRID

HEIGHT, WIDTH = 48 * GRID[0], 48 * GRID[1]
CELLS = GRID[0] * GRID[1]
COVER, HEADS, STATE = range(3)  # the planes of cells.u8, as tests/trapcam/truth.h has them
YOUNG_FLAG = 8
SPECIES = ["elephant", "giraffe", "zebra", "wildebeest", "lionMale", "lionFemale", "hyenaSpotted", "warthog", "ostrich", "guineaFowl", "impala", "buffalo"]


def draw(trapcam, folder, seed, first, count, pairs="0.13", size="448x336", nice=10):
    """Appends `count` events to a folder. Each row is written whole before its line of truth, so a reader never sees half an event."""
    os.makedirs(folder, exist_ok=True)
    process = subprocess.Popen(["nice", "-n", str(nice), trapcam, "stream", "--seed", str(seed), "--first", str(first), "--events", str(count), "--size", size,
                                "--pairs", pairs],
                               stdout=subprocess.PIPE)
    with open(f"{folder}/frames.u8", "ab") as frames, open(f"{folder}/cells.u8", "ab") as cells, open(f"{folder}/truth.jsonl", "a") as truth:
        start = frames.tell() // (HEIGHT * WIDTH * 3)
        while line := process.stdout.readline():
            event = json.loads(line)
            event["frame"] = start
            for _ in range(event["frame_count"]):
                frames.write(process.stdout.read(HEIGHT * WIDTH * 3))
                cells.write(process.stdout.read(3 * CELLS))
            start += event["frame_count"]
            frames.flush()
            cells.flush()
            truth.write(json.dumps(event) + "\n")
            truth.flush()
    if process.wait():
        raise SystemExit("trapcam failed")


class Events:
    def __init__(self, folder):
        self.folder = folder
        self.refresh()

    def refresh(self):
        with open(f"{self.folder}/truth.jsonl") as lines:
            self.truth = [json.loads(line) for line in lines if line.endswith("\n")]
        count = sum(event["frame_count"] for event in self.truth)
        self.counts = np.zeros((count, len(SPECIES)), np.int64)  # of each frame: how many of each species
        for event in self.truth:
            for i, frame in enumerate(event["frames"]):
                for species, animals in frame.items():
                    self.counts[event["frame"] + i, SPECIES.index(species)] = animals
        self.frames = np.memmap(f"{self.folder}/frames.u8", np.uint8, "r", shape=(count, HEIGHT, WIDTH, 3))
        self.cells = np.memmap(f"{self.folder}/cells.u8", np.uint8, "r", shape=(count, 3, CELLS))


if __name__ == "__main__":
    import sys
    draw(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), *sys.argv[6:])
