# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# `bootstrap check`, sourced by it: every test that can run here.
#
# Each suite leaves one line "SUITE PASSED FAILED SKIPPED" in $results; build-aux/test-totals writes
# those of the make checks from the .trs and .log files that automake leaves. A suite that cannot even
# be built counts as one failure, and the others still run.

results=$top/build/log/results
mkdir -p "$top/build/log"
: >"$results"

# Deadlines are for what hangs; on a busy machine everything may take its time.
HOLDFAST_TEST_TIMEOUT_SCALE=${HOLDFAST_TEST_TIMEOUT_SCALE:-3}
export HOLDFAST_TEST_TIMEOUT_SCALE

# Recordings that some tests compare with lie beside the tree; the tarball's tests run elsewhere.
HOLDFAST_SHARED=${HOLDFAST_SHARED:-$top/../shared}
export HOLDFAST_SHARED

suite() {
        printf '%s %d %d %d\n' "$@" >>"$results"
}

# check_in TITLE TREE SUITE TARGET...: make in TREE, then the totals of its .trs files.
check_in() {
        check_title=$1 check_tree=$2 check_suite=$3
        shift 3
        say "$check_title"
        check_start=$(date +%s)
        find "$check_tree" -name '*.trs' -delete
        check_log=$top/build/log/check-$check_suite.log
        check_status=0
        make -C "$check_tree" -k -j "$(nproc)" "$@" >"$check_log" 2>&1 </dev/null || check_status=$?
        python3 build-aux/test-totals --suite="$check_suite" --results="$results" \
                --status="$check_status" --log="$check_log" "$check_tree"
        detail "$(($(date +%s) - check_start)) s"
}

# The tests of some rungs by the names of their sources.
tests_of() {
        for rung in "$@"; do
                case $rung in
                unit | fuzz) (cd "$top" && ls "tests/$rung"/test-*.c "tests/$rung"/fuzz-*.c 2>/dev/null | sed 's/\.c$//') ;;
                *) (cd "$top" && ls "tests/$rung"/test[-_]*.py 2>/dev/null) ;;
                esac
        done | tr '\n' ' '
}

install_test() {
        rm -rf build/stage
        make -C build install DESTDIR="$top/build/stage" || return 1
        for program in sbin/holdfast-master sbin/holdfast-agent bin/holdfast libexec/holdfast/holdfast-launcher \
                libexec/holdfast/holdfast-executor libexec/holdfast/holdfast-fetcher \
                libexec/holdfast/holdfast-worker; do
                find build/stage -path "*/$program" -perm -u=x | grep -q . || {
                        echo "not installed: $program"
                        return 1
                }
        done
        for program in $(find build/stage -type f \( -path '*/bin/*' -o -path '*/sbin/*' \)); do
                "$program" --version || return 1
        done
        make -C build uninstall DESTDIR="$top/build/stage" || return 1
        [ -z "$(find build/stage -type f)" ] || {
                echo "make uninstall left:"
                find build/stage -type f
                return 1
        }
}

# Prints the files of the clone that the tarball lacks.
missing_in_dist() {
        [ -e .git ] && command -v git >/dev/null || return 0
        git ls-files | grep -v '^\.gitignore$' | while read -r file; do
                [ -e "build-dist/$file" ] || echo "not in the tarball: $file"
        done
}

# The release builds from its tarball, outside a source tree that cannot be written to, and leaves nothing
# when it is uninstalled. The tests of that are the sanitizers' below.
# Unpacked over the previous one: what has not changed keeps its time and is not compiled again.
unpack_dist() {
        make -C build -j "$(nproc)" distcheck TESTS= check_PROGRAMS= || return 1
        mkdir -p build-dist
        tar -xf "$(ls -t build/holdfast-*.tar.xz | head -n 1)" -C build-dist --strip-components=1
        missing_in_dist | tee build/log/missing-in-dist.log
        [ ! -s build/log/missing-in-dist.log ]
}

# Passed, failed (1), or skipped (77), also where it is beyond this valgrind: old ones know neither
# pidfd_open() nor clone3().
valgrind_one() {
        valgrind_log=build/log/valgrind-$(basename "$1").log valgrind_status=0
        HOLDFAST_TEST_TIMEOUT_SCALE=10 timeout 300 valgrind --quiet --error-exitcode=99 --leak-check=full \
                --errors-for-leak-kinds=definite --child-silent-after-fork=yes "build/$1" \
                >"$valgrind_log" 2>&1 </dev/null || valgrind_status=$?
        if [ "$valgrind_status" != 0 ] && grep -q 'WARNING: unhandled .* syscall' "$valgrind_log"; then
                echo "SKIP: makes system calls that $(valgrind --version) does not know" >>"$valgrind_log"
                valgrind_status=77
        fi
        return "$valgrind_status"
}

check_with_valgrind() {
        say "unit tests under valgrind"
        valgrind_start=$(date +%s) valgrind_passed=0 valgrind_failed=0 valgrind_skipped=0
        command -v valgrind >/dev/null || {
                detail "skipped: valgrind is not installed"
                suite valgrind 0 0 1
                return 0
        }
        for unit in $(tests_of unit); do
                valgrind_status=0
                valgrind_one "$unit" || valgrind_status=$?
                case $valgrind_status in
                0)
                        valgrind_passed=$((valgrind_passed + 1))
                        ;;
                77)
                        valgrind_skipped=$((valgrind_skipped + 1))
                        detail "skipped: $unit: $(grep 'SKIP: ' "$valgrind_log" | tail -n 1 | sed 's/.*SKIP: //')"
                        ;;
                *)
                        valgrind_failed=$((valgrind_failed + 1))
                        detail "FAILED: $unit"
                        tail -n 60 "$valgrind_log"
                        ;;
                esac
        done
        suite valgrind "$valgrind_passed" "$valgrind_failed" "$valgrind_skipped"
        detail "$valgrind_passed programs passed, $valgrind_failed failed, $valgrind_skipped skipped," \
                "$(($(date +%s) - valgrind_start)) s"
}

check_in "make check: layers, unit, process, cluster, systemd, vm, clients, fuzz corpus" build check check

# Programs that can be told where to die are a build of their own.
if configure_tree build-crash "$top" --enable-crash-points "$@" && make_tree build-crash; then
        check_in "agent and launcher die at each of their crash points" build-crash crash check \
                TESTS=tests/cluster/test_crash_points.py check_PROGRAMS=
else
        suite crash 0 1 0
fi

if step "make install and uninstall with DESTDIR" build/log/install.log install_test; then
        suite install 1 0 0
else
        suite install 0 1 0
fi

# The sanitizers' build is made from the release's tarball, so one build tests both.
if step "make distcheck, without its tests" build/log/dist.log unpack_dist &&
        (configure_tree build-san "$top/build-dist" --enable-sanitizers "$@" && make_tree build-san); then
        suite dist 1 0 0
        check_in "address and undefined behaviour sanitizers: unit and process tests, fuzz corpus, from the tarball" \
                build-san sanitizers check TESTS="$(tests_of unit process fuzz)"
else
        suite dist 0 1 0
fi

check_with_valgrind

say "totals after $(($(date +%s) - started)) s"
awk '{ printf "    %-12s %5d passed %4d failed %4d skipped\n", $1, $2, $3, $4 }' "$results"
awk '{ p += $2; f += $3; s += $4 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' \
        "$results"
