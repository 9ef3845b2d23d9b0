#!/bin/bash
# setup.sh - makes sure that what the build needs is on this machine; installs it with apt where it may.
#
#   tools/setup.sh          what `make`, `make test` and `make demo` need
#   tools/setup.sh clang    the same, and clang with its run-time library (fuzzing, the second compiler of CI)
#   tools/setup.sh aarch64  the same, and the arm64 cross compiler with an emulator (`make aarch64`)
#   tools/setup.sh page     the same, and a browser without a screen for tests/e2e/test_page.sh, which skips without one
#
# Quiet when nothing is missing. Never asks: as root, or with a sudo that needs no password, it installs; otherwise it
# prints the line to run and stops with status 3. A tool or library that did not come from apt counts as present.
set -u

missing=() why=()

have_package() { # NAME...: is one of these Debian packages installed?
    command -v dpkg-query > /dev/null || return 1
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null)" = installed ] && return 0
    done
    return 1
}

need_tool() { # COMMAND PACKAGE REASON
    command -v "$1" > /dev/null && return
    missing+=("$2") why+=("$2: $3")
}

need_lib() { # PKG-CONFIG-MODULE REASON PACKAGE [OTHER PACKAGES THAT SERVE]
    local module=$1 reason=$2
    shift 2
    pkg-config --exists "$module" 2> /dev/null && return
    have_package "$@" && return
    missing+=("$1") why+=("$1: $reason")
}

need_tool cmake cmake "the build"
need_tool ninja ninja-build "the build"
need_tool gcc gcc "the C compiler"
# gcc only recommends the C library's headers, and recommendations are not installed below.
[ -e /usr/include/stdlib.h ] || { missing+=(libc6-dev); why+=("libc6-dev: the C library's headers"); }
need_tool pkg-config pkg-config "finds the libraries"
need_lib jansson JSON libjansson-dev
need_lib libpcre2-8 "regular expressions" libpcre2-dev
need_lib libutf8proc Unicode libutf8proc-dev
# Any flavour of libcurl serves; the flavours exclude each other, so one that is there is never replaced.
need_lib libcurl HTTPS libcurl4-gnutls-dev libcurl4-openssl-dev libcurl4-nss-dev
need_lib nettle "SHA-256" nettle-dev
need_lib sqlite3 "the data folder" libsqlite3-dev
need_lib libarchive "tar files of backups" libarchive-dev
need_lib libzip "spreadsheets are zip files" libzip-dev
need_lib expat "the XML inside spreadsheets" libexpat1-dev
need_lib libsodium "noise and keys of private training" libsodium-dev
need_lib libmicrohttpd "the HTTP server" libmicrohttpd-dev
need_lib gnutls "TLS for the HTTP server" libgnutls28-dev
need_lib libedit "line editing in chat" libedit-dev
need_tool strace strace "counts system calls in a test"
for extra in "$@"; do
    case $extra in
    clang)
        need_tool clang clang "fuzzing and the second compiler"
        # The run-time library (sanitizers, libFuzzer) is only recommended by clang, and its name holds a version.
        if command -v clang > /dev/null; then
            v=$(clang -dumpversion)
            find "$(clang -print-resource-dir)/lib" -name 'libclang_rt.fuzzer*' 2> /dev/null | grep -q . ||
                { missing+=("libclang-rt-${v%%.*}-dev"); why+=("libclang-rt-${v%%.*}-dev: libFuzzer"); }
        else
            missing+=(libclang-rt-14-dev) why+=("libclang-rt-14-dev: libFuzzer")
        fi
        ;;
    page)
        [ -n "${GLIM_CHROMIUM:-}" ] || command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null ||
            need_tool chromium-headless-shell chromium-headless-shell "runs the chat page in a test"
        ;;
    aarch64)
        need_tool aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu "the arm64 cross compiler"
        # gcc only recommends it.
        [ -e /usr/aarch64-linux-gnu/include/stdlib.h ] ||
            { missing+=(libc6-dev-arm64-cross); why+=("libc6-dev-arm64-cross: its C library"); }
        command -v qemu-aarch64 > /dev/null || need_tool qemu-aarch64-static qemu-user-static "runs arm64 programs"
        ;;
    *)
        echo "setup.sh: unknown argument \"$extra\": \"clang\", \"aarch64\" and \"page\" are known" >&2
        exit 2
        ;;
    esac
done

[ ${#missing[@]} -eq 0 ] && exit 0

reasons=$(printf '; %s' "${why[@]}")
as_root=()
if [ "$(id -u)" != 0 ]; then
    if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
        as_root=(sudo -n)
    else
        as_root=(none)
    fi
fi
if ! command -v apt-get > /dev/null; then
    echo "setup.sh: missing here (Debian's package names): ${missing[*]}; there is no apt-get, so install them yourself" >&2
    exit 3
fi
if [ "${as_root[*]:-}" = none ]; then
    echo "setup.sh: some packages are missing and this user may not install them; run:" \
         "sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 3
fi

echo "setup.sh: installing with apt-get, because the build needs them: ${reasons#; }"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" < /dev/null >> "$log" 2>&1; }
# The lists may be absent (a fresh image) or older than the mirror; a mirror that cannot be reached shows in install.
apt update
if ! apt install -y --no-install-recommends "${missing[@]}"; then
    tail -n 20 "$log" >&2
    echo "setup.sh: apt-get could not install ${missing[*]}; its last words are above" >&2
    exit 3
fi
