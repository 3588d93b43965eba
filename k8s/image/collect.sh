#!/bin/sh
# collect.sh ROOT PROGRAM...: copies programs, and the libraries that they load, into the folder ROOT at their own paths.
#
# PREFIX: a folder that programs and libraries were unpacked in; it is left out of their paths. They are found by PATH and
# LD_LIBRARY_PATH, as they would be without it.
set -eu
root=$1
shift
for program; do
  path=$(command -v "$program") || {
    echo "Cannot collect $program: it is not on PATH" >&2
    exit 1
  }
  ldd "$path" | grep -q 'not found' && {
    echo "Cannot collect $program: $(ldd "$path" | grep 'not found')" >&2
    exit 1
  }
  for file in "$path" $(ldd "$path" | grep -o '/[^ )]*'); do
    target=$root${file#"${PREFIX:-}"}
    [ -e "$target" ] && continue
    mkdir -p "$(dirname "$target")"
    cp -L "$file" "$target"
  done
done
