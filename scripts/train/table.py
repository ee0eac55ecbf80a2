"""Scores side by side, as Markdown. table.py WORKDIR NAME…: reads WORKDIR/NAME.score.json (`nightjar eval --json`) and the size of NAME.nj."""
import json
import os
import sys

RATES = (("blank", "blank"), ("species_set_exact", "species set"), ("species_set_exact_day_single", "one species by day"), ("count_bin", "count bin"), ("behaviors", "behaviours"),
         ("young", "young"), ("review", "review"))


def main():
    work, names = sys.argv[1], sys.argv[2:]
    print("| | MB | " + " | ".join(title for _, title in RATES) + " | calibration error |\n" + "|---" * (len(RATES) + 3) + "|")
    for name in names:
        with open(f"{work}/{name}.score.json") as file:
            score = json.load(file)
        rates = " | ".join(f"{score[key]['rate']:.3f}" for key, _ in RATES)
        print(f"| {name} | {os.path.getsize(f'{work}/{name}.nj') / 1e6:.1f} | {rates} | {score['calibration_error']:.3f} |")
    print(f"\nn = {score['events']} events; one species by day: {score['species_set_exact_day_single']['n']}; animals: {score['count_bin']['n']}.")


if __name__ == "__main__":
    main()
