# GPIO lines: both generations of libgpiod give the same levels and the same words, and below NIGHTJAR_SYSROOT lines are files.
. tests/tap.sh
cc=${CC:-gcc}
unset NIGHTJAR_SYSROOT
for generation in 1 2; do
    check "libgpiod $generation: the driver of its generation is built without a warning" \
        $cc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -Itests/gpiod/v$generation -o "$SCRATCH/lines$generation" tests/gpiod/lines.c \
        tests/gpiod/libgpiod$generation.c firmware-host/gpio.c firmware-host/gpio_libgpiod$generation.c base/status.c base/file.c
    "$SCRATCH/lines$generation" >"$SCRATCH/said$generation" 2>&1
done
cat >"$SCRATCH/want" <<'WANT'
open: ok
close
probe: ok
take 17 for nightjar as output, high
wake on: ok
take 22 for nightjar as output, active low, low
lamp on: ok
set 22 high
lamp off: ok
take 23 for nightjar as output, low
camera off: ok
take 24 for nightjar as input, active low, pulled up
button: ok
button is not pressed
release 17
release 22
release 23
release 24
pinctrl-gone:1: failed: power.wake_gpio: wake line: pinctrl-gone: no GPIO chip has this label; `gpiodetect` lists those that are there
close
pinctrl-test:28: failed: power.wake_gpio: wake line: pinctrl-test: no line 28; it has 28
close
pinctrl-test:7: failed: power.wake_gpio: wake line: pinctrl-test:7: cannot be taken (`gpioinfo` says who has it): Device or resource busy
pinctrl-test: failed: power.wake_gpio: pinctrl-test: CHIP:LINE, lamp=CHIP:LINE, camera=CHIP:LINE or button=CHIP:LINE is expected, each once, such as pinctrl-rp1:17
pinctrl-test:17x: failed: power.wake_gpio: pinctrl-test:17x: CHIP:LINE, lamp=CHIP:LINE, camera=CHIP:LINE or button=CHIP:LINE is expected, each once, such as pinctrl-rp1:17
horn=pinctrl-test:3: failed: power.wake_gpio: horn=pinctrl-test:3: CHIP:LINE, lamp=CHIP:LINE, camera=CHIP:LINE or button=CHIP:LINE is expected, each once, such as pinctrl-rp1:17
pinctrl-test:3,wake=pinctrl-test:4: failed: power.wake_gpio: wake=pinctrl-test:4: CHIP:LINE, lamp=CHIP:LINE, camera=CHIP:LINE or button=CHIP:LINE is expected, each once, such as pinctrl-rp1:17
WANT
# A chip is closed once its line is requested in version 2, and together with the line in version 1: apart from that the two lists are one. Version 2
# opens chips to read their labels.
grep -v '^close$' "$SCRATCH/want" >"$SCRATCH/want.lines"
for generation in 1 2; do
    grep -v '^close$' "$SCRATCH/said$generation" >"$SCRATCH/said.lines"
    check "libgpiod $generation: levels and words" diff "$SCRATCH/want.lines" "$SCRATCH/said.lines"
    taken=$(grep -c '^take' "$SCRATCH/said$generation")
    same "libgpiod $generation: each chip that was opened is closed" "$((taken + 2 + generation))" "$(grep -c '^close$' "$SCRATCH/said$generation")"
done

mkdir -p "$SCRATCH/root/dev/gpio/pinctrl-test" "$SCRATCH/root/dev/gpio/"
for line in 17 22 24; do echo 0 >"$SCRATCH/root/dev/gpio/pinctrl-test/$line"; done
NIGHTJAR_SYSROOT="$SCRATCH/root" "$SCRATCH/lines1" >"$SCRATCH/said" 2>&1
same "below NIGHTJAR_SYSROOT the wake line is a file with a 1" 1 "$(cat "$SCRATCH/root/dev/gpio/pinctrl-test/17")"
same "and a lamp that is off and active low shows a 1" 1 "$(cat "$SCRATCH/root/dev/gpio/pinctrl-test/22")"
check "a low button that is active low is pressed" grep -qx 'button is pressed' "$SCRATCH/said"
check "a line without a file is said by name" grep -q 'camera line: .*/dev/gpio//dev/gpiochip4/23: No such file' "$SCRATCH/said"
tap_done
