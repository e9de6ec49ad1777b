#!/usr/bin/env bash
# Prepares the project's own virtual environment, .venv, and runs a command in it:
#
#   bash .ci/venv.sh run|test|dev [COMMAND [ARGUMENT...]]
#
# `run` installs the package, `test` and `dev` also its extra of that name. With `dev` it is editable and all of it
# Python; with the others the modules that setup.py names are compiled, and what is installed is a copy. An
# environment that already holds what the files here ask for is left alone, which takes milliseconds; one made for
# other contents of these files, another place or another Python is made anew.
#
# PYTHON names the interpreter to build on; otherwise the first of python3, python3.14 ... python3.11 that is new
# enough. COMPILE=0 compiles nothing. All that is said goes to standard error: standard output belongs to
# the command.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null && pwd -P)
venv=$root/.venv
stamp=$venv/.prepared

say() { printf '%s\n' "$*" >&2; }

# Runs a command without a word, unless it fails: then with all its words.
quietly() {
  local output
  output=$("$@" 2>&1 </dev/null) || {
    say "$output"
    say "failed: $*"
    return 1
  }
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null; }

find_python() {
  local candidate
  local candidates=(python3 python3.14 python3.13 python3.12 python3.11)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer is needed, and none was found (looked for: ${candidates[*]})."
  say "Install one, or name it: PYTHON=/path/to/python3 ..."
  return 1
}

# Debian and its kin ship Python without what `python3 -m venv` needs.
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 </dev/null; }

need_venv_module() {
  local python=$1 package
  if can_make_venv "$python"; then return; fi
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing $package, which $python needs to make virtual environments ..."
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update -qq
    quietly apt-get install -y -qq --no-install-recommends "$package"
    if can_make_venv "$python"; then return; fi
  fi
  say "$python cannot make virtual environments: its modules venv and ensurepip are missing."
  say "On Debian or Ubuntu: sudo apt-get install $package. Or name another Python: PYTHON=/path/to/python3 ..."
  return 1
}

install() { quietly "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@"; }

# Whether the profile has anything compiled.
compiles() { [ "$1" != dev ] && [ "${COMPILE:-1}" != 0 ]; }

# A C compiler, and the headers of this very Python.
can_compile() {
  command -v gcc >/dev/null || return 1
  [ -f "$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]
}

# Without one the server runs all the same. The tests, which are also of what is compiled, do not.
have_compiler() {
  local python=$1 packages
  if can_compile "$python"; then return; fi
  packages="gcc libc6-dev $("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing $packages, to compile the server ..."
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # it is a list
    quietly apt-get update -qq && quietly apt-get install -y -qq --no-install-recommends $packages || true
    if can_compile "$python"; then return; fi
  fi
  say "No C compiler, or no headers of $python. On Debian or Ubuntu: sudo apt-get install $packages."
  return 1
}

# In the place of the sources a copy with extension modules.
compile() {
  say "Compiling the server, once for each version: half a minute or so (COMPILE=0 goes without) ..."
  rm -rf "$root/build"
  COMPILE=1 install --no-deps --no-build-isolation --force-reinstall "$root"
}

# In the place of a copy, which is of the sources as they once were, the sources.
take_sources() {
  if compgen -G "$venv/lib/python*/site-packages/actors" >/dev/null; then
    install --no-deps --no-build-isolation --force-reinstall --editable "$root"
  fi
}

# A Python that is named has to be the one inside; when none is, the one inside will do.
right_python() { [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" --version)" = "$("$venv/bin/python" --version)" ]; }

# What the environment was prepared for: what is to be installed in it ...
wanted() {
  {
    printf '%s\n' "$root"
    "$venv/bin/python" --version
    cat "$root/setup.cfg" "$root/pyproject.toml"
  } 2>&1 | cksum
}

# ... and what was compiled for the profile, if anything was.
built() {
  if ! compiles "$1"; then
    echo nothing
  elif ! can_compile "$venv/bin/python"; then
    echo no compiler
  else
    shopt -s nullglob
    cksum "$root/setup.py" "$root"/{actors,transport}/{,*/}*.py | cksum
  fi
}

# The stamp says `PROFILE:WANTED:BUILT`. Its first part, where that serves the profile that is asked for.
stamped() {
  local of
  of=$(cut -d: -f1 "$stamp" 2>/dev/null)
  case "$profile:$of" in
    run:run | run:test | run:dev | test:test | test:dev | dev:dev) printf '%s\n' "$of" ;;
    *) return 1 ;;
  esac
}

# Whether what is there works, and was not made for something else: then it can be added to.
reusable() {
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 </dev/null && right_python 2>/dev/null || return 1
  [ ! -f "$stamp" ] || [ "$(cut -d: -f2 "$stamp")" = "$(wanted)" ]
}

prepared() {
  local of
  of=$(stamped) && right_python 2>/dev/null && [ "$(cat "$stamp")" = "$of:$(wanted):$(built "$of")" ]
}

prepare() {
  local python of_what extra=$profile asked=$profile
  if [ "$profile" = run ]; then extra=compiled; fi
  say "Preparing $venv for: $profile ..."
  if ! reusable; then
    python=$(find_python)
    need_venv_module "$python"
    rm -f "$stamp"
    quietly "$python" -m venv --clear "$venv"
  fi
  if stamped >/dev/null; then
    profile=$(stamped) # only what is compiled is of another version
  else
    install --editable "${root}[$extra]"
  fi
  if compiles "$profile"; then have_compiler "$venv/bin/python" || true; fi
  # Asked before: a file that somebody changes meanwhile may be in it or not. And noted before, so
  # that after a failure only what failed is done again, which needs no network.
  of_what=$(built "$profile")
  printf '%s:%s:unfinished\n' "$profile" "$(wanted)" >"$stamp"
  if ! compiles "$profile"; then
    take_sources
  elif [ "$of_what" = "no compiler" ] || ! compile; then
    [ "$asked" = run ] || return 1
    say "The server runs all the same, at about twice the CPU."
    take_sources
    profile=run # for the tests it is not ready
  fi
  printf '%s:%s:%s\n' "$profile" "$(wanted)" "$of_what" >"$stamp"
}

profile=${1:-}
case "$profile" in
  run | test | dev) shift ;;
  *)
    say "usage: bash .ci/venv.sh run|test|dev [COMMAND [ARGUMENT...]]"
    exit 2
    ;;
esac

if ! prepared; then
  # Two commands started at once prepare one after the other; the second then finds all done.
  exec 9>"$root/.venv.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if ! prepared; then
    # Not in an `if` or `||`, which would switch off `set -e` inside.
    prepare
  fi
  exec 9>&-
fi

if [ $# -eq 0 ]; then exit 0; fi
export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
exec "$@"
