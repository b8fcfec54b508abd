#!/usr/bin/env bash
# Readies a bare Debian 12 for building Retort and configures a build folder. What is already there is left alone, so
# a second run only looks. It can be interrupted at any point and run again.
#
#   scripts/setup.sh                             configures build/
#   scripts/setup.sh FOLDER [MESON OPTION ...]   configures another build folder, e.g. build-debug --buildtype=debug
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

folder=${1:-build}
options=("${@:2}")
onednn=2023.2.0 # the wheels' own numbering: oneDNN 3.2.0 on GNU OpenMP

say() { printf 'setup: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# Tools speak only when they fail, and then of the step at hand.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
begin() {
    say "$@"
    : >"$log"
}
quietly() { "$@" >>"$log" 2>&1; }
fail_with_log() {
    tail -n 20 "$log" >&2
    fail "$@"
}

# --- What is missing -------------------------------------------------------------------------------------------------

packages=()
need() {
    say "needs $1: $2"
    packages+=("$1")
}

find_missing_tools() {
    local compiler
    read -ra compiler <<<"${CC:-cc}"
    command -v "${compiler[0]}" >/dev/null || need gcc "the C compiler"
    "${compiler[@]}" -E -x c - <<<'#include <stdio.h>' &>/dev/null || need libc6-dev "the C library's headers"
    command -v meson >/dev/null || need meson "configures the build"
    command -v ninja >/dev/null || need ninja-build "runs the build"
    command -v pkg-config >/dev/null || need pkg-config "tells the build where the libraries are"
    command -v cmake >/dev/null || need cmake "tells the build where oneDNN is"
}

find_missing_libraries() {
    local module package why
    while read -r module package why; do
        pkg-config --exists "$module" 2>/dev/null || need "$package" "$why"
    done <<END
yaml-0.1 libyaml-dev recipes (YAML)
jansson libjansson-dev JSON: weight files' headers and results
zlib zlib1g-dev data sets in .gz files
libxxhash libxxhash-dev checksums of files
stb libstb-dev photographs: PNG files, and JPEG files by choice
libturbojpeg libturbojpeg0-dev photographs: JPEG files, twice as fast
cmocka libcmocka-dev the unit tests
END
}

find_missing_data() {
    local folder=/usr/share/datasets/fashion-mnist name
    for name in {train,t10k}-{images-idx3,labels-idx1}-ubyte; do
        [[ -e $folder/$name || -e $folder/$name.gz ]] && continue
        need dataset-fashion-mnist "Fashion-MNIST, the demo's images"
        break
    done
}

install_packages() {
    local command=(apt-get install --yes --no-install-recommends "${packages[@]}") as_root=()
    command -v apt-get >/dev/null ||
        fail "there is no apt-get here: install by hand what these Debian packages hold: ${packages[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "installing takes root; run this as root, then come back: apt-get update && ${command[*]}"
        as_root=(sudo)
        [[ -t 0 ]] || as_root+=(--non-interactive)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    begin "installing with apt-get: ${packages[*]}"
    # Where an earlier installation was interrupted, apt-get refuses to go on before this.
    quietly "${as_root[@]}" dpkg --configure -a || true
    # A failed update is no reason to stop: one broken third-party source fails it, and the old lists may well do.
    quietly "${as_root[@]}" apt-get update -qq -o DPkg::Lock::Timeout=300 || true
    quietly "${as_root[@]}" "${command[@]}" -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 </dev/null ||
        fail_with_log "apt-get failed (its words are above; is the network up?), the command was: ${command[*]}"
}

# --- oneDNN: the system's, or the two wheels in .venv ----------------------------------------------------------------

system_has_onednn() {
    local prefixes prefix file version
    IFS=: read -ra prefixes <<<"/usr:/usr/local:${CMAKE_PREFIX_PATH:-}"
    for prefix in "${prefixes[@]}"; do
        for file in "$prefix"/lib{,64}/{,*/}cmake/dnnl/dnnl-config-version.cmake; do
            [[ -e $file ]] || continue
            version=$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)").*/\1/p' "$file")
            [[ -n $version ]] && printf '%s\n' 3.2 "$version" | sort --version-sort --check=quiet && return
        done
    done
    return 1
}

# pip writes RECORD last of all, so a wheel that was interrupted has none.
venv_has_onednn() {
    compgen -G ".venv/lib/python3*/site-packages/onednn_cpu_gomp-$onednn.dist-info/RECORD" >/dev/null &&
        compgen -G ".venv/lib/python3*/site-packages/onednn_devel_cpu_gomp-$onednn.dist-info/RECORD" >/dev/null &&
        [[ -e .venv/lib/libdnnl.so.3.2 && -e .venv/include/oneapi/dnnl/dnnl.h ]]
}

# A python3 in PATH may be somebody's own build, and Debian's can make a venv only where python3-venv is installed.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    return 1
}

install_onednn() {
    local python
    python=$(find_python) || fail "found no python3 (3.8 or later) that can make a venv"
    begin "fetching oneDNN 3.2 into .venv (two wheels from PyPI, 39 MB): convolutions and the like"
    if ! .venv/bin/python -m pip --version &>/dev/null; then
        quietly "$python" -m venv --clear .venv || fail_with_log "$python cannot make .venv (its words are above)"
    fi
    # With the hashes pinned nothing but these very files can get in. --ignore-installed mends half an installation.
    quietly .venv/bin/python -m pip install --no-input --disable-pip-version-check --no-deps --ignore-installed \
        --require-hashes --requirement /dev/stdin <<END ||
onednn-cpu-gomp==$onednn --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
onednn-devel-cpu-gomp==$onednn --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
END
        fail_with_log "pip could not install oneDNN (its words are above; is the network up?)"
    venv_has_onednn || fail "pip installed oneDNN's wheels, but their files are not in .venv/lib and .venv/include"
}

# The wheel holds the library three times over, 55 MB each.
link_onednn() {
    local name
    for name in libdnnl.so.3 libdnnl.so; do
        [[ -L .venv/lib/$name && -e .venv/lib/$name ]] || ln -sf libdnnl.so.3.2 ".venv/lib/$name"
    done
}

# --- The build folder ------------------------------------------------------------------------------------------------

# Whole, and of this meson, oneDNN and place: ninja would stumble where one of them has changed.
configured() {
    local information=$folder/meson-info/meson-info.json source
    [[ -s $folder/build.ninja && -s $folder/meson-private/coredata.dat && -s $information ]] || return
    grep -q "\"meson_version\": {\"full\": \"$(meson --version)\"" "$information" || return
    [[ $(venv_has_onednn; echo $?) == $(grep -q '\.venv/lib/libdnnl' "$folder/build.ninja"; echo $?) ]] || return
    source=$(sed 's/.*"source": "\([^"]*\)".*/\1/' "$information")
    [[ $(LC_ALL=C.UTF-8 printf '%b' "$source") -ef . ]]
}

configure() {
    if [[ -d $folder ]]; then
        [[ -d $folder/meson-private || -d $folder/meson-logs || -z $(ls -A "$folder") ]] ||
            fail "$folder/ is not a build folder, and there it stays: move it away or name another"
        say "$folder/ is incomplete, or of another meson, oneDNN or place: starting afresh"
        rm -rf "$folder"
    fi
    if venv_has_onednn; then
        options=("--cmake-prefix-path=$PWD/.venv" "${options[@]}")
    fi
    begin "configuring $folder/"
    quietly meson setup "$folder" "${options[@]}" ||
        fail_with_log "meson could not configure $folder/ (its words are above)"
}

find_missing_tools
find_missing_libraries
find_missing_data
wheels=no
if ! venv_has_onednn && ! system_has_onednn; then
    [[ $(uname -m) == x86_64 ]] ||
        fail "oneDNN's wheels are for x86_64 and this is $(uname -m): install oneDNN 3.2 or later yourself first"
    wheels=yes
    find_python >/dev/null || need python3-venv "installs oneDNN from PyPI into .venv"
fi
if [[ -n ${RETORT_DATA:-} ]]; then
    command -v xz >/dev/null || need xz-utils "unpacks the test data in RETORT_DATA"
fi

((${#packages[@]} == 0)) || install_packages
[[ $wheels == no ]] || install_onednn
! venv_has_onednn || link_onednn
configured || configure
say "ready: meson compile -C $folder"
