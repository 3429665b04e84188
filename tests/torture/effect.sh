# What the steps of kind `cli` run in the torture: sh effect.sh SECONDS HOW. It appends to the log of effects, and does what HOW says.
say() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$CPF_RUN_ID" "$CPF_IDEMPOTENCY_KEY" "$CPF_ATTEMPT" >>"$TORTURE_LOG"
}
say begin
case "$2 $CPF_ATTEMPT" in
"slow 1") sleep 20 ;;
*) sleep "$1" ;;
esac
case "$2 $CPF_ATTEMPT $CPF_IDEMPOTENCY_KEY" in
"flaky 1 "*) exit 75 ;;
failing*/0) exit 1 ;;
big*) head -c 100000 /dev/zero | tr '\0' x ;;
esac
say end
printf 'did it'
