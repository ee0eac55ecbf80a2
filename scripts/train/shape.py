"""The built-in model: a Gemma 4 with vision tower, per-layer embeddings, KV sharing, sliding and full layers, small enough to ship."""
from transformers import Gemma4Config, Gemma4ForConditionalGeneration

VOCABULARY = 2048
SOFT_TOKENS = 70
GRID = (7, 9)  # soft tokens of a 4:3 picture at 70: rows, columns

# Every width is a multiple of the quantisation group, 128, where a matrix is to be int4.
TEXT = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            global_head_dim=64, num_kv_shared_layers=2, hidden_size_per_layer_input=32, sliding_window=512)
LAYERS = "ssfssf"  # s sliding, f full; the last two read the keys and values of layers 3 and 2
VISION = dict(hidden_size=96, intermediate_size=256, num_hidden_layers=4, num_attention_heads=3, num_key_value_heads=3, head_dim=32,
              global_head_dim=32, position_embedding_size=128)


def config(ids):
    kinds = {"s": "sliding_attention", "f": "full_attention"}
    text = dict(TEXT, model_type="gemma4_text", vocab_size=VOCABULARY, vocab_size_per_layer_input=VOCABULARY, layer_types=[kinds[c] for c in LAYERS],
                attention_bias=False, attention_dropout=0.0, attention_k_eq_v=False, bos_token_id=2, eos_token_id=1, pad_token_id=0,
                enable_moe_block=False, final_logit_softcapping=30.0, hidden_activation="gelu_pytorch_tanh", initializer_range=0.02,
                max_position_embeddings=131072, rms_norm_eps=1e-6, tie_word_embeddings=True, use_double_wide_mlp=False, use_cache=True,
                use_bidirectional_attention=None, dtype="float32",
                rope_parameters={"full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1e6, "rope_type": "proportional"},
                                 "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"}})
    vision = dict(VISION, model_type="gemma4_vision", attention_bias=False, attention_dropout=0.0, default_output_length=280, patch_size=16,
                  pooling_kernel_size=3, rms_norm_eps=1e-6, hidden_activation="gelu_pytorch_tanh", initializer_range=0.02,
                  max_position_embeddings=131072, standardize=False, use_clipped_linears=True, dtype="float32",
                  rope_parameters={"rope_theta": 100.0, "rope_type": "default"})
    return Gemma4Config(text_config=text, vision_config=vision, audio_config=None, tie_word_embeddings=True, dtype="float32",
                        image_token_id=ids["<|image|>"], boi_token_id=ids["<|image>"], eoi_token_id=ids["<image|>"],
                        audio_token_id=ids["<|audio|>"], boa_token_id=ids["<|audio>"], eoa_token_id=ids["<audio|>"],
                        video_token_id=ids["<|video|>"], eos_token_id=[1, ids["<turn|>"], ids["<|tool_response>"]],
                        vision_soft_tokens_per_image=SOFT_TOKENS)


def build(ids):
    return Gemma4ForConditionalGeneration(config(ids))
