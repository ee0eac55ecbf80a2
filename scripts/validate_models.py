"""Loads exported folders in transformers and compares with `nightjar probe`; started by scripts/validate-models.

    validate_models.py NIGHTJAR PICTURE FOLDER=PACKED=NAME…

Plain weights run in fp32 on both sides and must agree within 1e-3; so must the packed file, unless blocks of a GGUF had to be rounded to bf16. int4 is
compared twice: with the weights as compressed-tensors itself unpacks them, in fp32 (the same integers and scales, so 1e-3 again), and in its own
16-bit run, whose rounding costs random models about 0.12 (0.3 is the limit)."""
import json
import os
import subprocess
import sys
import tempfile

os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is loaded
import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoConfig, AutoTokenizer, Gemma4ForCausalLM, Gemma4ForConditionalGeneration

transformers.utils.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()
torch.set_num_threads(2)
nightjar, picture, pairs = sys.argv[1], sys.argv[2], sys.argv[3:]
failures = 0
TEXT = "A burst of three frames: 2 zebra, standing; één leeuw. \N{LION FACE}\n\tT=-4°C {\"blank\": false}"
SOFT_TOKENS = 70


def say(ok, name, what, detail=""):
    global failures
    failures += not ok
    print("ok     " if ok else "FAILED ", f"{name}: {what}", detail, flush=True)


def probe(*words, **keywords):
    done = subprocess.run([nightjar, "-q", "probe", *words], capture_output=True, **keywords)
    if done.returncode:
        raise SystemExit(f"nightjar probe {words[0]}: {done.stderr.decode()}")
    return done.stdout


def probe_array(words):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        probe(*words, "-o", file.name)
        return np.load(file.name)


def load(folder, **keywords):
    multimodal = "ForConditionalGeneration" in AutoConfig.from_pretrained(folder).architectures[0]
    model, info = (Gemma4ForConditionalGeneration if multimodal else Gemma4ForCausalLM).from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True, **keywords
    )
    return model.eval(), info, multimodal


def unpack(model):
    """The int4 Linears as compressed-tensors unpacks them, but in fp32 throughout."""
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

    for name, module in list(model.named_modules()):
        if not hasattr(module, "weight_packed"):
            continue
        rows, columns = module.weight_shape.tolist()
        scale = module.weight_scale.float()
        values = unpack_from_int32(module.weight_packed, 4, torch.Size([rows, columns])).float()
        plain = torch.nn.Linear(columns, rows, bias=False)
        plain.weight.data.copy_((values.view(rows, scale.shape[1], -1) * scale[:, :, None]).view(rows, columns))
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], plain)
    model._forward_pre_hooks.clear()
    return torch.nn.Module.float(model)


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float().numpy()


def compare(name, what, ours, theirs, limit, measure):
    difference = np.abs(ours - theirs) if ours.shape == theirs.shape else np.array([np.inf])
    value = difference.max() if measure == "max" else np.sqrt((difference**2).mean())
    say(value < limit, name, what, f"{measure} {value:.1e}")


def check_vision(name, model, folder, packed):
    from transformers import Gemma4ImageProcessorPil

    told = any(os.path.exists(os.path.join(folder, name)) for name in ("processor_config.json", "preprocessor_config.json"))
    processor = Gemma4ImageProcessorPil.from_pretrained(folder) if told else Gemma4ImageProcessorPil()
    inputs = processor(Image.open(picture).convert("RGB"), return_tensors="pt", max_soft_tokens=SOFT_TOKENS)
    with torch.no_grad():
        theirs = model.get_image_features(inputs["pixel_values"], inputs["image_position_ids"], return_dict=True).pooler_output[0]
    ours = probe_array(["vision", "-m", packed, picture, "--soft-tokens", str(SOFT_TOKENS)])
    compare(name, "features of a picture", ours, theirs.float().numpy(), 1e-2, "max")  # another JPEG decoder


def check(folder, packed, name):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    say(ids == json.loads(probe("tokenize", "-m", packed, input=TEXT.encode())), name, "tokens of a text", len(ids))
    say(tokenizer.decode(ids) == TEXT, name, "and back")
    question = [{"role": "user", "content": "Which animals?"}]
    prompt = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True) if tokenizer.chat_template else "<bos>"
    ids = tokenizer(prompt + TEXT, add_special_tokens=False)["input_ids"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(ids, file)
        file.flush()
        ours, source = (probe_array(["logits", "-m", model, "--ids", file.name, "--all", "--exact"]) for model in (folder, packed))
    int4 = getattr(AutoConfig.from_pretrained(folder), "quantization_config", None) is not None
    model, info, multimodal = load(folder, dtype=torch.float32)
    say(not info["missing_keys"] and not info["mismatched_keys"], name, "loads", sorted(info["missing_keys"])[:3])
    say(not info["unexpected_keys"], name, "and has nothing else", sorted(info["unexpected_keys"])[:3])
    model = unpack(model) if int4 else model
    compare(name, f"logits of {len(ids)} positions", ours, logits(model, ids), 1e-3, "max")
    rounded = ".gguf" in name and "text" not in name  # blocks become bf16
    compare(name, "logits of what it was made from", ours, source, 0.3 if rounded else 1e-3, "rms")
    if multimodal and model.config.vision_config is not None:
        check_vision(name, model, folder, packed)
    if int4:
        compare(name, "logits of its own 16-bit run", ours, logits(load(folder, dtype="auto")[0], ids), 0.3, "rms")


for pair in pairs:
    check(*pair.split("=", 2))
print(f"{failures} failed" if failures else "all the same")
sys.exit(failures > 0)
