#!/usr/bin/env python3
"""SHA-256 of all fp32 weights of the small reference checkpoints, in the order of tests/conformance/weights_hash.h, read with numpy alone.

    scripts/weights-hashes.py ../shared/reference     prints: name, hash of the text part, hash of the vision part"""
import sys,json,hashlib
root = sys.argv[1]; sys.path.insert(0, root)
import numpy as np
import numpy_model as nm
def unpack(p,s,shape):
    o,i=(int(v) for v in shape)
    q=((p.view(np.uint32)[:,:,None]>>(4*np.arange(8,dtype=np.uint32)))&15).reshape(o,-1)[:,:i].astype(np.float32)-np.float32(8)
    return (q.reshape(o,s.shape[1],-1)*s.astype(np.float32)[:,:,None]).reshape(o,i)
for n in ['tiny-it','tiny-pruned','tiny-text','tiny-w4a16-g128','tiny-w4a16-g32','tiny-w4a16-channel']:
    path=root+'/checkpoints/'+n
    raw=nm.read_safetensors(path); w={}
    for k,x in raw.items():
        if k.endswith('.weight_packed'):
            b=k[:-len('_packed')]; w[b]=unpack(x,raw[b+'_scale'],raw[b+'_shape'])
        elif not k.endswith(('.weight_scale','.weight_shape')): w[k]=np.asarray(x,np.float32)
    w={k.replace('model.language_model.','').removeprefix('model.').replace('.linear.','.'):x for k,x in w.items()}
    c=json.load(open(path+'/config.json')); t=c.get('text_config',c); L=t['num_hidden_layers']; own=L-t['num_kv_shared_layers']
    h=hashlib.sha256()
    def add(k): h.update(np.ascontiguousarray(w[k]).tobytes())
    for k in ['embed_tokens','embed_tokens_per_layer','per_layer_model_projection']: add(k+'.weight')
    add('lm_head.weight' if 'lm_head.weight' in w else 'embed_tokens.weight')
    add('per_layer_projection_norm.weight'); add('norm.weight')
    for l in range(L):
        p=f'layers.{l}.'
        for k in ['self_attn.q_proj']+(['self_attn.k_proj','self_attn.v_proj'] if l<own else [])+['self_attn.o_proj','mlp.gate_proj','mlp.up_proj','mlp.down_proj','per_layer_input_gate','per_layer_projection','input_layernorm','post_attention_layernorm','pre_feedforward_layernorm','post_feedforward_layernorm','post_per_layer_input_norm','self_attn.q_norm']+(['self_attn.k_norm'] if l<own else []): add(p+k+'.weight')
        add(p+'layer_scalar')
    text=h.hexdigest(); h=hashlib.sha256(); vis='-'
    if c.get('vision_config'):
        add('vision_tower.patch_embedder.input_proj.weight'); add('vision_tower.patch_embedder.position_embedding_table'); add('embed_vision.embedding_projection.weight')
        for l in range(c['vision_config']['num_hidden_layers']):
            p=f'vision_tower.encoder.layers.{l}.'
            for m in ['self_attn.q_proj','self_attn.k_proj','self_attn.v_proj','self_attn.o_proj','mlp.gate_proj','mlp.up_proj','mlp.down_proj']:
                add(p+m+'.weight')
                for b in ['input_min','input_max','output_min','output_max']: add(p+m+'.'+b)
            for m in ['input_layernorm','post_attention_layernorm','pre_feedforward_layernorm','post_feedforward_layernorm','self_attn.q_norm','self_attn.k_norm']: add(p+m+'.weight')
        vis=h.hexdigest()
    print(n,text,vis)
