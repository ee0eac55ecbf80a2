#!/bin/sh
# `probe mask`, `probe accepts` and `probe generate --schema` from the command line: their output, their exit status, and the cache of compiled schemas.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files"
    tap_done
fi
grammar=$SHARED/reference/grammar
tokenizer=$SHARED/data/tokenizer/gemma4-tokenizer.json.zst

for name in object_optional enum_mixed nullable_union pattern_datetime; do
    jq -c "select(.schema == \"$name\" and .by == \"both\")" "$grammar/mask.jsonl" | head -n 12 >"$SCRATCH/rows"
    jq -c "{schema: \"$grammar/schemas/$name.json\", ids: .prefix}" "$SCRATCH/rows" >"$SCRATCH/cases"
    same "$name: masks of a batch" "$(jq -c '[.n, .sha256, .stop]' "$SCRATCH/rows")" \
        "$("$NIGHTJAR" probe mask -m "$tokenizer" --batch "$SCRATCH/cases" | jq -c 'select(.refused_at == null) | [.count, .sha256, .stop]')"
done
boolean=$grammar/schemas/boolean.json
cached=$(find "$XDG_CACHE_HOME" -name '*.grammar' | wc -l)
same "each schema was compiled once" 4 "$cached"
masks() { "$NIGHTJAR" probe mask -m "$tokenizer" --batch "$SCRATCH/cases"; }
before=$(masks)
for file in "$XDG_CACHE_HOME"/nightjar/*.grammar; do printf 'damaged' | dd of="$file" bs=1 seek=200 conv=notrunc 2>/dev/null; done
same "a damaged cache is as good as none" "$before" "$(masks)"
same "a cache that cannot be written, too" "$before" "$(XDG_CACHE_HOME=/dev/null/x masks)"

echo '{"not": {}}' >"$SCRATCH/not.json"
printf '%s\n' "{\"schema\": \"$boolean\", \"ids\": [999999]}" "{\"schema\": \"$boolean\", \"ids\": [-7]}" \
    "{\"schema\": \"$boolean\", \"ids\": [1]}" "{\"schema\": \"$SCRATCH/none.json\", \"ids\": []}" \
    "{\"schema\": \"$SCRATCH/bad.json\", \"ids\": []}" >"$SCRATCH/odd"
echo '{"type": "strin"}' >"$SCRATCH/bad.json"
"$NIGHTJAR" probe mask -m "$tokenizer" --batch "$SCRATCH/odd" >"$SCRATCH/out"
same "odd cases are no failure" 0 $?
same "ids that nobody has are refused, and so is an early end" '0 0 0' "$(jq -r 'select(has("refused_at")) | .refused_at' "$SCRATCH/out" | tr '\n' ' ' | sed 's/ $//')"
same "schemas that cannot be had are told" '2' "$(jq -r 'select(.error | strings | contains("none.json") or contains("#/type")) | .error' "$SCRATCH/out" | wc -l)"

echo '[]' >"$SCRATCH/ids"
"$NIGHTJAR" probe mask -m "$tokenizer" --schema "$boolean" --ids "$SCRATCH/ids" -o "$SCRATCH/mask.npy"
same "one mask" 0 $?
same "as int32" 1 "$(head -c 128 "$SCRATCH/mask.npy" | grep -c "'<i4'")"
same "with the hash of the reference" "$(jq -r 'select(.schema == "boolean" and (.prefix | length) == 0) | .sha256' "$grammar/mask.jsonl" | head -n 1)" \
    "$(tail -c +129 "$SCRATCH/mask.npy" | sha256sum | cut -d' ' -f1)"
echo '[1]' >"$SCRATCH/ids"
"$NIGHTJAR" probe mask -m "$tokenizer" --schema "$boolean" --ids "$SCRATCH/ids" -o "$SCRATCH/no.npy" 2>"$SCRATCH/why"
same "a prefix that is not allowed fails" 1 $?
check "with its place" grep -q 'element 0, id 1' "$SCRATCH/why"
"$NIGHTJAR" probe mask -m "$tokenizer" --schema "$boolean" 2>/dev/null
same "half a command is a usage error" 2 $?

printf '%s\n' '"true"' '" true "' '"tru"' '"truee"' '""' '"1"' >"$SCRATCH/docs"
same "documents" '[true,null] [true,null] [false,3] [false,4] [false,0] [false,0]' \
    "$("$NIGHTJAR" probe accepts -m "$tokenizer" --schema "$boolean" "$SCRATCH/docs" | jq -c '[.accepted, .at]' | tr '\n' ' ' | sed 's/ $//')"
echo '{"properties": {"a/b": {"contains": {}}}}' >"$SCRATCH/contains.json"
"$NIGHTJAR" probe accepts -m "$tokenizer" --schema "$SCRATCH/contains.json" "$SCRATCH/docs" >"$SCRATCH/out" 2>"$SCRATCH/why"
same "a keyword that is not supported" 1 $?
check "is named with its pointer" grep -q '#/properties/a~1b/contains' "$SCRATCH/why"
same "and nothing is judged" 0 "$(wc -c <"$SCRATCH/out")"
echo '{}' >"$SCRATCH/docs"
"$NIGHTJAR" probe accepts -m "$tokenizer" --schema "$boolean" "$SCRATCH/docs" >/dev/null 2>"$SCRATCH/why"
same "a line that is no JSON string fails" 1 $?
check "with its number" grep -q 'docs:1:' "$SCRATCH/why"

"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/tiny.nj"
echo '[2, 5, 7]' >"$SCRATCH/ids"
make_one() { "$NIGHTJAR" probe generate -m "$SCRATCH/tiny.nj" --ids "$SCRATCH/ids" -n "$1" --schema "$grammar/schemas/$2.json" --json 2>"$SCRATCH/why"; }
same "a generation ends with its schema" '["array","schema"]' "$(make_one 60 array_1_3 | jq -c '[(.text | fromjson | type), .stop]')"
same "and at its limit validly" '["string",true]' \
    "$(make_one 20 string | jq -c '[(.text | fromjson | type), (.stop == "length" or .stop == "schema")]')"
make_one 2 object_plain
same "a limit below the shortest document fails" 1 $?
check "with the number that it takes" grep -q 'too few: the shortest document' "$SCRATCH/why"
tap_done
