#!/bin/bash
# systemd_live.sh - glim.service under a real systemd: installs what `make install` installs into a system of its own (its
# own processes, mounts, network and cgroups; the machine's programs and libraries, read-only; everything else in memory),
# boots systemd there and holds the unit to what docs/serve.md says of it.
#
#   tools/systemd_live.sh             build/glim; GLIM=FILE another
#
# Part of `make soak`. Wants root and the right to mount (a container without them skips, status 77), systemd 250 or newer,
# and curl. Nothing outside is touched but a cgroup, which is removed; no service of the machine is.
set -u
cd "$(dirname "$0")/.." || exit 2
glim=$(realpath "${GLIM:-build/glim}")
program=/lib/systemd/systemd
skip() { echo "skipped: $1"; exit 77; }

if [ -z "${GLIM_LIVE_INSIDE:-}" ]; then # first: is there what it takes?
    [ "$(uname -s)" = Linux ] && [ -x $program ] || skip "systemd is not installed"
    [ "$($program --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -ge 250 ] || skip "systemd is older than 250"
    [ "$(id -u)" = 0 ] || skip "only root can boot a systemd of its own"
    for tool in unshare nsenter curl make setpriv; do command -v $tool > /dev/null || skip "$tool is not installed"; done
    [ -L /lib ] || skip "/lib is not in /usr on this machine"
    case $glim in /usr/*) skip "the program lies in /usr, which the system inside has read-only" ;; esac
    unshare --mount --propagation private true 2> /dev/null || skip "no mounts can be made here"
    GLIM_LIVE_INSIDE=1 exec unshare --mount --propagation private "$0" # from here on all mounts are ours, and go with us
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/glim-systemd-XXXXXX") root=$work/root group=
passed=0 failed=0
cleanup() {
    exec 2> /dev/null
    kill -9 "${outer:-}" && wait "$outer" # and with it its child, the first process in there, and so all
    if [ -n "$group" ]; then
        for _ in $(seq 50); do find "$group" -depth -type d -exec rmdir {} +; [ -d "$group" ] || break; sleep 0.1; done
    fi
    umount -R "$work/cgroup" "$root"
    rm -rf "$work"
}
trap cleanup EXIT
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $1"; [ -s "$work/out" ] && head -c 600 "$work/out"; [ -s "$work/journal" ] && tail -n 20 "$work/journal"; true; }
check() { # WHAT TEST...
    local what=$1
    shift
    if "$@"; then ok; else journal; bad "$what"; fi
}

# --- a system: /usr is the machine's, the rest is made here
mkdir "$root" "$work/cgroup" "$work/stage"
mount -t tmpfs -o mode=755 tmpfs "$root" && mount -t cgroup2 cgroup2 "$work/cgroup" 2> "$work/err" || skip "cgroups of version 2 cannot be mounted here: $(cat "$work/err")"
group=$work/cgroup/glim-live-$$
mkdir "$group" 2> "$work/err" || { group=; skip "no cgroup can be made here: $(cat "$work/err")"; }
GLIM=$glim make -s -o release install DESTDIR="$work/stage" || { bad "make install"; exit 1; }
for d in bin sbin lib lib32 lib64; do [ -L /$d ] && cp -a /$d "$root"; done
mkdir -p "$root"/{usr,proc,sys,dev,run,tmp,home,root,srv/models,var/lib,var/cache,var/log,var/tmp,etc/systemd/system,old}
chmod 1777 "$root/tmp" "$root/var/tmp"
mount --bind /usr "$root/usr" && mount -o remount,bind,ro "$root/usr" && mount --bind "$work/stage/usr/local" "$root/usr/local" && mount -o remount,bind,ro "$root/usr/local"
for f in passwd group shadow gshadow nsswitch.conf ld.so.cache alternatives os-release; do [ -e /etc/$f ] && cp -aL /etc/$f "$root/etc/"; done 2> /dev/null
sed -i '/^glim:/d' "$root"/etc/{passwd,group,shadow,gshadow} 2> /dev/null # a machine may have had a glim before
echo kept > "$root/home/secret"
: > "$root/etc/machine-id"
cp -r tests/fixtures/glm4 "$root/srv/models/glm4"
chmod -R a+rX "$root/srv"
install -D -m 644 packaging/glim.conf "$root/etc/glim/glim.conf" # as the docs say: the sample, and what is ours in it
sed -i "s|^model = .*|model = /srv/models/glm4|" "$root/etc/glim/glim.conf"
cat >> "$root/etc/glim/glim.conf" <<'CONF'
name = glm4
threads = 1
parallel = 4
tune-nice = 5
snapshots = /var/cache/glim/prefixes
CONF

cat > "$work/boot" <<'BOOT'
cd "$1" || exit 1
mount -t proc proc proc && mount -t sysfs -o ro sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup || exit 1
mount -t tmpfs -o mode=755 tmpfs dev && mount -t tmpfs -o mode=755 tmpfs run || exit 1
for n in null zero full random urandom tty; do : > dev/$n; mount --bind /dev/$n dev/$n || exit 1; done
mkdir dev/shm dev/pts && mount -t tmpfs -o mode=1777 tmpfs dev/shm && mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts || exit 1
: > dev/disk && ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd || exit 1
pivot_root . old && umount -l old || exit 1
exec env -i container=glim PATH=/usr/local/bin:/usr/bin:/usr/sbin /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=0 < /dev/null
BOOT
# The cgroup first: what is made after it has it as its root, so that the machine's own are out of reach.
bash -c 'echo $$ > "$1/cgroup.procs" && exec unshare --fork --kill-child --pid --mount --propagation private --cgroup --ipc --uts --net bash "$2" "$3"' - "$group" "$work/boot" "$root" > "$work/boot.log" 2>&1 &
outer=$!
init=
for _ in $(seq 100); do
    init=$(cat /proc/$outer/task/$outer/children 2> /dev/null) init=${init%% *}
    [ -n "$init" ] && [ "$(cat "/proc/$init/comm" 2> /dev/null)" = systemd ] && break
    kill -0 $outer 2> /dev/null || break
    sleep 0.1
done
inside() { nsenter -t "$init" -m -p -n -u -i -C -r -w -- env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin LANG=C.UTF-8 "$@"; }
state=
for _ in $(seq 300); do
    state=$(inside systemctl is-system-running 2> /dev/null)
    [ "$state" = running ] || [ "$state" = degraded ] && break
    kill -0 $outer 2> /dev/null || break
    sleep 0.1
done
[ "$state" = running ] || [ "$state" = degraded ] || skip "systemd does not come up here: $(tail -n 3 "$work/boot.log" | tr '\n' ' ')"
echo "$(inside systemctl --version | head -n 1) is up"

# --- the checks
journal() { inside journalctl --no-pager -o cat -u glim -n 40 > "$work/journal" 2>&1; }
show() { inside systemctl show -P "$1" glim; }
glim_as_user() { inside setpriv --reuid glim --regid glim --clear-groups glim "$@"; } # what `sudo -u glim glim` does
key=
http() { # PATH [CURL'S]: the body to $work/out; says the status
    inside curl -sS -m 120 -o /dev/stderr -w '%{http_code}' ${key:+-H "Authorization: Bearer $key"} "http://127.0.0.1:8000$1" "${@:2}" 2> "$work/out"
}
is() { [ "$1" = "$2" ] || { echo "got \"$1\", want \"$2\""; false; }; }
told() { # WORDS: within ten seconds in the unit's log
    for _ in $(seq 100); do journal; grep -q -e "$1" "$work/journal" && return; sleep 0.1; done
    false
}
chat() { http /v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "glm4", "messages": [{"role": "user", "content": "x 12 y"}], "max_tokens": 8, "ignore_eos": true}'; }
long='{"model": "glm4", "prompt": "a", "max_tokens": 1900, "n": 4, "stream": true, "ignore_eos": true}'
begin_stream() { # FILE: returns once its first bytes are there
    inside curl -sS -N -m 120 -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$long" http://127.0.0.1:8000/v1/completions > "$1" 2>&1 &
    stream=$!
    for _ in $(seq 500); do [ -s "$1" ] && return; sleep 0.01; done
    false
}
whole() { # FILE: four answers to their ends
    wait "$stream"
    grep -q '^data: \[DONE\]$' "$1" && [ "$(grep -c '"finish_reason": "length"' "$1")" = 4 ]
}

# It starts, as its user, and says so only when it answers.
check "the user is there" inside getent passwd glim > /dev/null
sed -i 's|^model = .*|&-missing|' "$root/etc/glim/glim.conf"
echo 'porr = 5' >> "$root/etc/glim/glim.conf"
inside systemctl start glim > "$work/out" 2>&1 && bad "a start with a wrong setting fails" || ok
told porr && ok || bad "and says what is wrong"
sleep 3
check "and is not tried again and again" is "$(show NRestarts)" 0
sed -i -e '/^porr/d' -e 's|-missing$||' "$root/etc/glim/glim.conf"
inside systemctl reset-failed glim
check "systemctl enable --now" inside systemctl enable --now glim > "$work/out" 2>&1
check "active" is "$(show ActiveState) $(show SubState)" "active running"
check "/health" is "$(http /health)" 200
check "a chat" is "$(chat)" 200
grep -q '"completion_tokens": 8' "$work/out" && ok || bad "a chat of eight tokens"
check "the page" is "$(http /)" 200
main=$(show MainPID)
status() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$main/status"; }

# Its bars hold, and what they must leave open is: PCRE2's machine code.
check "its user" is "$(status Uid | cut -f 1)" "$(inside id -u glim)"
check "no capabilities" is "$(status CapEff)$(status CapBnd)" 00000000000000000000000000000000
check "system calls are filtered" is "$(status Seccomp) $(status NoNewPrivs)" "2 1"
inside cat "/proc/$main/maps" > "$work/maps"
grep -q '^[^ ]* rwxp 00000000 00:00 0 *$' "$work/maps" && ok || bad "PCRE2 compiles to machine code"
sees() { inside nsenter -t "$main" -m -- "$@" > "$work/out" 2>&1; }
sees touch /etc/x && bad "/etc is read-only" || ok
sees touch /usr/x && bad "/usr is read-only" || ok
sees touch /srv/models/x && bad "models are read-only" || ok
sees cat /home/secret && bad "/home is not seen" || ok
sees ls /dev/disk && bad "no devices but null and its like" || ok
check "its data can be written" sees touch /var/lib/glim/x
inside rm -f /var/lib/glim/x
inside systemd-analyze security --no-pager --threshold=20 glim > "$work/out" 2>&1 && ok || bad "systemd-analyze security: at most 2.0"
tail -n 1 "$work/out"

# Its folders are its own.
for d in lib cache; do check "/var/$d/glim" is "$(inside stat -c '%U %a' /var/$d/glim)" "glim 700"; done
inside find /var/lib/glim /var/cache/glim ! -user glim -o -perm /077 > "$work/out" 2>&1
[ ! -s "$work/out" ] && ok || bad "files of others, or that others may read"
check "the settings stay root's" is "$(inside stat -c '%U %a' /etc/glim)" "root 755"

# Keys, made beside it by its user.
key=$(glim_as_user key create live --scopes infer,files,tune --data /var/lib/glim 2> "$work/out" | grep -o 'glim_[A-Za-z0-9]*_[A-Za-z0-9_-]*' | head -n 1)
check "a key" [ -n "$key" ]
check "with it" is "$(chat)" 200
kept=$key key=
sleep 1.1 # a first key counts within a second
check "and without it" is "$(chat)" 401
key=$kept

# A fine-tuning job: a process of its own under the same bars.
for i in $(seq 24); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"it is $i\"}]}"; done > "$root/tmp/rows.jsonl"
chmod a+r "$root/tmp/rows.jsonl"
check "an upload" is "$(http /v1/files -F purpose=fine-tune -F file=@/tmp/rows.jsonl)" 200
file=$(grep -o 'file-[A-Za-z0-9]*' "$work/out" | head -n 1)
check "a job" is "$(http /v1/fine_tuning/jobs -H 'Content-Type: application/json' -d "{\"model\": \"glm4\", \"training_file\": \"$file\", \"seed\": 3, \"glim\": {\"lora_rank\": 4}}")" 200
job=$(grep -o 'ftjob-[A-Za-z0-9]*' "$work/out" | head -n 1)
for _ in $(seq 600); do
    http "/v1/fine_tuning/jobs/$job" > /dev/null
    grep -q -E '"status": "(succeeded|failed|cancelled)"' "$work/out" && break
    sleep 0.1
done
grep -q '"status": "succeeded"' "$work/out" && ok || { journal; bad "the job succeeds"; }

# Reload: the same process, a stream goes on.
check "a stream" begin_stream "$work/stream"
check "systemctl reload" inside systemctl reload glim
check "a reload in the log" told 'reload is over'
check "the stream that ran is whole" whole "$work/stream"
check "the same process" is "$(show MainPID)" "$main"

# kill -9: it comes back, with its keys and its account in order; the stream's reservation is settled.
check "a stream" begin_stream "$work/stream"
inside kill -9 "$main"
wait "$stream"
for _ in $(seq 100); do [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ] && break; sleep 0.1; done
check "it is back" is "$(show NRestarts) $(show ActiveState)" "1 active"
[ "$(show MainPID)" != "$main" ] && ok || bad "as another process"
check "and answers" is "$(chat)" 200
check "its account is in order" glim_as_user usage check --data /var/lib/glim > "$work/out" 2>&1
main=$(show MainPID)

# Stop: what runs is finished first.
check "a stream" begin_stream "$work/stream"
check "systemctl stop" inside systemctl stop glim
check "the stream that ran is whole" whole "$work/stream"
check "a clean end" is "$(show ActiveState) $(show Result) $(show ExecMainStatus)" "inactive success 0"
[ -n "$(inside find /var/cache/glim/prefixes -type f 2> /dev/null)" ] && ok || bad "prefixes are kept over the stop"
check "the events' chain is whole" glim_as_user audit verify --data /var/lib/glim > "$work/out" 2>&1

# And a start after all of that.
check "systemctl start" inside systemctl start glim
check "and it answers" is "$(chat)" 200
inside systemctl stop glim
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
