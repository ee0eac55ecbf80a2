"""Transformers and Nightjar side by side on the pictures of a drawn card: do both write the same ids?

    agree.py NIGHTJAR MODEL.nj CARD_DIR [--events N] [--untaught]
The packed file is written out as compressed-tensors (`convert --to`), which transformers loads with weights unpacked to fp32; Nightjar reads the packed file with
--exact. Every event is asked one of the short questions that were taught and answered greedily, without a schema, for 48 tokens; each side decodes and resizes the pictures itself."""
import argparse
import json
import os
import subprocess
import tempfile

import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoImageProcessor, Gemma4ForConditionalGeneration
from transformers.utils.quantization_config import CompressedTensorsConfig

from answers import QUESTIONS
from checkpoint import IDS

TOKENS = 48


def expanded(tokenizer, question, soft_tokens):
    ids, left = [], list(soft_tokens)
    for id in tokenizer.encode(question).ids:
        ids += [IDS["<|image>"]] + [id] * left.pop(0) + [IDS["<image|>"]] if id == IDS["<|image|>"] else [id]
    return ids


def question(event, untaught):
    """One of the short questions in the words of the lessons, or one that was in none."""
    if untaught:
        record = json.dumps({key: event[key] for key in ("site_id", "local_datetime", "frame_count")})
        text = f"Which animals are in the pictures?\n{record}"
    else:
        text = QUESTIONS[event["event"] % len(QUESTIONS)][0]
    return f'<bos><|turn>user\n{"<|image|>" * event["frame_count"]}{text}<turn|>\n<|turn>model\n'


def main():
    options = argparse.ArgumentParser()
    options.add_argument("nightjar")
    options.add_argument("model")
    options.add_argument("card")
    options.add_argument("--events", type=int, default=50)
    options.add_argument("--untaught", action="store_true", help="a question that was in no lesson: the model babbles, and the smallest rounding may part the two")
    o = options.parse_args()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([o.nightjar, "-q", "convert", o.model, "--to", "compressed-tensors", "-o", f"{folder}/out"], check=True)
        model = Gemma4ForConditionalGeneration.from_pretrained(f"{folder}/out", dtype=torch.float32, attn_implementation="eager",
                                                               quantization_config=CompressedTensorsConfig(run_compressed=False)).eval()
        tokenizer = Tokenizer.from_file(f"{folder}/out/tokenizer.json")
        look = AutoImageProcessor.from_pretrained(f"{folder}/out")
        same = 0
        with open(f"{o.card.rstrip('/')}.truth.jsonl") as lines:
            events = [json.loads(line) for line in lines][:o.events]
        for event in events:
            files = [os.path.join(o.card, name) for name in event["files"]]
            seen = look([Image.open(name).convert("RGB") for name in files], return_tensors="pt")
            ids = expanded(tokenizer, question(event, o.untaught), seen["num_soft_tokens_per_image"])
            x = torch.tensor([ids])
            with torch.no_grad():
                out = model.generate(input_ids=x, attention_mask=torch.ones_like(x), pixel_values=seen["pixel_values"],
                                     image_position_ids=seen["image_position_ids"], mm_token_type_ids=(x == IDS["<|image|>"]).long(),
                                     max_new_tokens=TOKENS, do_sample=False)[0, len(ids):].tolist()
            with open(f"{folder}/ids.json", "w") as file:
                json.dump(ids, file)
            words = [o.nightjar, "-q", "probe", "generate", "-m", o.model, "--exact", "--ids", f"{folder}/ids.json", "-n", str(TOKENS), "--soft-tokens", "70"]
            for name in files:
                words += ["--image", name]
            ours = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)["ids"]
            same += ours == out
            if ours != out:
                print(f"event {event['event']}: {out} in transformers, {ours} here")
        print(f"the same ids in {same} of {len(events)} events")


if __name__ == "__main__":
    main()
