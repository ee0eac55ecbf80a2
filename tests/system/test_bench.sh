# What bench says about agreement and about a peer; its speeds are nobody's business here.
. tests/tap.sh
model=$SHARED/reference/checkpoints/tiny-w4a16-g128
[ -n "$SHARED" ] || { skip "no reference files" && tap_done; }
"$NIGHTJAR" bench -m "$model" --agree 6 --prompt-tokens 20 --json >"$SCRATCH/agree"
same "agreement of two engines" "agreement, 16-bit agreement, 8-bit" "$(jq -r .name "$SCRATCH/agree" | tr '\n' ' ' | sed 's/ $//')"
same "over the last positions of each prompt" "24 24" "$(jq -r .positions "$SCRATCH/agree" | tr '\n' ' ' | sed 's/ $//')"
check "16-bit activations are close to exact" jq -es '.[0].rms < 0.05 and .[0].same_token > 0.9' "$SCRATCH/agree"
check "8-bit ones are coarser" jq -es '.[1].rms > 2 * .[0].rms' "$SCRATCH/agree"
"$NIGHTJAR" bench -m "$model" --runs 1 --only 'schema, batch 1' >"$SCRATCH/answer"
same "an answer of a real length is measured, not what random weights would write" 0 $?
check "its tokens are told by kind" awk '/each answer:/ { ok = $3 == $8 + $10 + $13 && $8 > 0 && $8 < 40 && $10 > 20 } END { exit !ok }' "$SCRATCH/answer"
"$NIGHTJAR" bench -m "$model" --runs 1 --only 'pictures, alone' >"$SCRATCH/event"
same "an event is told the same answer" "$(sed -n 's/.*each answer: \([0-9]* tokens in [0-9]* passes\).*/\1/p' "$SCRATCH/answer")" \
    "$(sed -n 's/.*positions, //p' "$SCRATCH/event")"
cat >"$SCRATCH/peer" <<'PEER'
echo loading
echo '{"prefill_tps": 8, "peak_mib": 77}'
PEER
"$NIGHTJAR" bench -m "$model" --peer "sh $SCRATCH/peer" --runs 2 --json >"$SCRATCH/pairs"
tail -n 1 "$SCRATCH/pairs" >"$SCRATCH/pair"
same "only what the peer names is compared" "prefill, 512 tokens" "$(jq -r .name "$SCRATCH/pair")"
check "the ratio is that of the pairs" jq -e '.peer == 8 and .runs == 2 and .low <= .ratio and .ratio <= .high and ((.low + .high) / 2 / (.ours / 8) - 1 | fabs) < 0.01' "$SCRATCH/pair"
check "the peer's memory is told" jq -e '.peer_peak_mib == 77' "$SCRATCH/pair"
"$NIGHTJAR" bench -m "$model" --peer false --runs 1 >/dev/null 2>"$SCRATCH/out"
same "a peer that fails is a failure" 1 $?
check "and is named" grep -q 'false: failed' "$SCRATCH/out"
tap_done
