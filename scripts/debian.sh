# Debian packages: which are missing, and how to install them without starting a service.
# Sourced by setup.sh, which provides `begin`, `fail` and the scratch folder $work.
# shellcheck shell=bash disable=SC2154

policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-plumbline
policy_mark="# Plumbline's set-up put this here while it installs packages; it may be removed."

# Print the packages of the given lists (scripts/debian/NAME.txt) that are not installed.
missing_packages() {
    [ $# -gt 0 ] || return 0
    local files=("${@/#/scripts/debian/}")
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${files[@]/%/.txt}" | sort -u >"$work/wanted"
    : >"$work/installed"
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2016  # dpkg-query expands these, not the shell
        xargs dpkg-query -W -f='${db:Status-Status} ${Package}\n' <"$work/wanted" 2>/dev/null |
            sed -n 's/^installed //p' | sort -u >"$work/installed" || true
    fi
    comm -23 "$work/wanted" "$work/installed"
}

install_packages() {
    command -v apt-get >/dev/null ||
        fail "this machine has no apt-get; Plumbline's set-up needs Debian 12, or these packages installed by hand: $*."
    become_root "$*"
    begin "Reading the Debian package lists"
    # The result is not asked for: what counts is whether the packages can then be installed.
    apt_get update >"$work/update.log" 2>&1 || true
    begin "Installing Debian packages"
    forbid_service_starts
    # Slim images leave these out, and the post-install of Java and PostgreSQL wants to link into them.
    "${as_root[@]}" mkdir -p /usr/share/man/man1 /usr/share/man/man7
    local outcome=0
    apt_get install --yes --no-install-recommends -o APT::Status-Fd=1 "$@" 2>&1 </dev/null | show_progress || outcome=$?
    restore_policy
    [ "$outcome" -eq 0 ] || explain_apt_failure
    leave_services_disabled "$@"
}

# Set as_root to the words that run a command as root: none, or sudo.
become_root() {
    as_root=(env)
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || fail "Debian packages are missing ($1) and this is neither root nor has it sudo."
    as_root=(sudo env)
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && sudo -v && return 0
    fail "Debian packages are missing ($1) and sudo asks for a password that nobody can type here."
}

apt_get() {
    local settings=(DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8) name
    for name in http_proxy https_proxy no_proxy; do # sudo would drop them
        [ -z "${!name:-}" ] || settings+=("$name=${!name}")
    done
    "${as_root[@]}" "${settings[@]}" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# Keep apt's output for an explanation, and print its percentage at most once every tenth.
show_progress() {
    local line kind percent shown=""
    : >"$work/install.log"
    while IFS= read -r line; do
        IFS=: read -r kind _ percent _ <<<"$line"
        case $kind in
            dlstatus) kind="  downloading" ;;
            pmstatus) kind="  installing" ;;
            *) echo "$line" >>"$work/install.log" && continue ;;
        esac
        percent=${percent%%.*}
        [ "$kind ${percent%?}" = "$shown" ] || printf '%s: %s %%\n' "$kind" "$percent"
        shown="$kind ${percent%?}"
    done
}

explain_apt_failure() {
    grep -hE '^(Err|E):' "$work/update.log" "$work/install.log" | sort -u | head -n 5 >&2 || true
    if grep -qE 'Unable to locate|has no installation candidate|Failed to fetch|Could not (resolve|connect)' \
        "$work/update.log" "$work/install.log"; then
        fail "no source of Debian packages that has them can be reached; see /etc/apt/sources.list and the network."
    fi
    fail "apt-get could not install the Debian packages: $(grep '^E: ' "$work/install.log" | tail -1)"
}

# Debian starts a service when its package is installed. The demo and the tests start their own on free ports,
# so the packages' services stay off; those that were running before are not touched.
forbid_service_starts() {
    [ ! -e $policy ] || "${as_root[@]}" mv $policy $policy_before
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
    trap 'restore_policy; rm -rf "$work"' EXIT
}

# Put the machine's own policy back; also after a set-up that was killed in between.
restore_policy() {
    grep -qsF "$policy_mark" $policy || return 0
    [ -n "${as_root+set}" ] || become_root "and the policy of an interrupted set-up is still in place"
    "${as_root[@]}" rm -f $policy
    [ ! -e $policy_before ] || "${as_root[@]}" mv $policy_before $policy
}

# What the set-up brought must not begin to occupy ports at the next boot either.
leave_services_disabled() {
    command -v systemctl >/dev/null || return 0
    local package
    for package in "$@"; do
        case $package in
            orthanc | redis-server | postgresql | prometheus)
                "${as_root[@]}" systemctl disable --quiet "$package" >/dev/null 2>&1 || true
                ;;
        esac
    done
}
