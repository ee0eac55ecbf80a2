"""The mean of two checkpoints of one training, weight by weight: what the last steps happened to do to each of them mostly cancels out.

    average.py EARLIER LATER SHARE      LATER becomes SHARE of EARLIER and the rest of itself"""
import sys

from safetensors import safe_open
from safetensors.torch import load_file, save_file


def main(earlier, later, share):
    path = f"{later}/model.safetensors"
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    old, new = load_file(f"{earlier}/model.safetensors"), load_file(path)
    mean = {name: (share * old[name].float() + (1 - share) * tensor.float()).to(tensor.dtype).contiguous() for name, tensor in new.items()}
    save_file(mean, path, metadata=metadata)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
