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

# A program that is asked for each part: here one that keeps what it was given.
mkdir "$SCRATCH/kept" "$SCRATCH/tmp"
cat >"$SCRATCH/program" <<'PROGRAM'
kept=$1
shift
echo "$*" >>"$kept/calls"
while [ $# -gt 0 ]; do
    case $1 in
    --schema | --prompt | --image | --model | --mmproj) cp "$2" "$kept/" ;;
    esac
    shift
done
echo '{"prefill_tps": 8, "decode_tps": 4, "images": 1, "vision_s": 2, "event_s": 360, "peak_mib": 77}'
PROGRAM
echo weights >"$SCRATCH/it's a model"
echo tower >"$SCRATCH/tower"
TMPDIR=$SCRATCH/tmp "$NIGHTJAR" bench -m "$model" --peer "sh $SCRATCH/program $SCRATCH/kept" --peer-model "$SCRATCH/it's a model" \
    --peer-mmproj "$SCRATCH/tower" --runs 1 --set model.threads=2 --json | grep peer >"$SCRATCH/rows"
same "every row is compared" "prefill, 512 tokens:8;decode, whole head, batch 1:4;answer under the schema, batch 1:4;answer under the schema, batch 4:4;\
vision, 16:9 at 280:0.5;event of three pictures, alone:10;events of three pictures, four together:10;" \
    "$(jq -r '"\(.name):\(.peer)"' "$SCRATCH/rows" | tr '\n' ';')"
sed "s,$SCRATCH/it's a model,W,; s,$SCRATCH/tower,T,; s,$SCRATCH/tmp/[^/ ]*/,,g; s,schema.json,S,; s,prompt.txt,P,; s,\([0-2]\).jpg,\1,g; \
    s,S --tg 3[0-9][0-9]\$,S --tg N," "$SCRATCH/kept/calls" >"$SCRATCH/asked"
same "the program is asked for one part after the other" "--threads 2 --pp 512 --tg 2 --model W
--threads 2 --pp 16 --tg 32 --model W
--threads 2 --pp 16 --model W --schema S --tg N
--threads 2 --soft-tokens 280 --tg 1 --model W --mmproj T --image 0
--threads 2 --soft-tokens 280 --model W --mmproj T --image 0 --image 1 --image 2 --prompt P --schema S --tg N" "$(cat "$SCRATCH/asked")"
check "the name of its model is whole" cmp -s "$SCRATCH/it's a model" "$SCRATCH/kept/it's a model"
check "its pictures are pictures" sh -c 'file -b "$1"/*.jpg | grep -c 1920x1080 | grep -qx 3' - "$SCRATCH/kept"
check "its schema is that of our answer" jq -e '.anyOf[1].properties.capture_event_id.const == "BENCH"' "$SCRATCH/kept/schema.json"
check "its prompt is our question" grep -q BENCH "$SCRATCH/kept/prompt.txt"
same "its files are gone" "" "$(ls "$SCRATCH/tmp")"
check "limits are told beside the ratio" jq -es 'map(select(.limit != "") | .of_limit > 0) | length == 3 and all' "$SCRATCH/rows"
rm "$SCRATCH/kept/calls"
"$NIGHTJAR" bench -m "$model" --peer "sh $SCRATCH/program $SCRATCH/kept" --peer-model "$SCRATCH/tower" --only prefill --runs 2 >/dev/null
same "only for what is wanted" "2 0" "$(grep -c 'pp 512' "$SCRATCH/kept/calls") $(grep -cv 'pp 512' "$SCRATCH/kept/calls")"
"$NIGHTJAR" bench -m "$model" --peer-model x >/dev/null 2>&1
same "a model of nobody is a misuse" 2 $?
TMPDIR=$SCRATCH/tmp "$NIGHTJAR" bench -m "$model" --peer false --peer-model x --runs 1 >/dev/null 2>&1
same "a program that fails is a failure" "1 " "$? $(ls "$SCRATCH/tmp")"
tap_done
