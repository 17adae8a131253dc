# Shared by tools/demo and tools/test, which source it at the top of the source tree.
# shellcheck shell=sh

build_dir=${FTFW_BUILD:-build}

need_root() {
  [ "$(id -u)" = 0 ] && return 0
  echo "$1: needs root (network namespaces): sudo $1" >&2
  exit 1
}

# build [TARGET...]: configures once, then builds; quiet unless it fails.
build() {
  build_log=$(mktemp)
  [ -f "$build_dir/build.ninja" ] || {
    echo "configuring $build_dir"
    meson setup "$build_dir" >"$build_log" 2>&1 || build_failed
  }
  echo "building (the first time takes some minutes)"
  ninja -C "$build_dir" "$@" >"$build_log" 2>&1 || build_failed
  rm -f "$build_log"
}

build_failed() {
  tail -n 40 "$build_log" >&2
  echo "the build failed; the whole log: $build_log" >&2
  exit 1
}
