#!/bin/sh
# collect.sh ROOT PROGRAM...: copies programs, and the libraries that they load, into the folder ROOT at their own paths; with
# them go the licences of the Debian packages that they are from, and the packages' entries where scanners look for them,
# as in distroless images.
#
# PREFIX: a folder that programs and libraries were unpacked in; it is left out of their paths. They are found by PATH and
# LD_LIBRARY_PATH, as they would be without it.
set -eu
root=$1
shift

# A library may be listed under /lib and found under /usr/lib, or the other way round.
package_of() {
  for path in "$1" "/usr$1" "${1#/usr}"; do
    dpkg-query --search "$path" 2>/dev/null && return
  done | sed -n '1s/[:,].*//p'
}

name_package() {
  package=$(package_of "$1")
  [ -n "$package" ] || return 0
  mkdir -p "$root/var/lib/dpkg/status.d"
  dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/$package"
  licence=/usr/share/doc/$package/copyright
  [ -e "$licence" ] || return 0
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "$licence" "$root$licence"
}

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
    # Of what was only unpacked, dpkg knows nothing.
    case $file in
      "${PREFIX:-/nowhere}"/*) ;;
      *) name_package "$file" ;;
    esac
  done
done
