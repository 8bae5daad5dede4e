"""Ways to let passwords be guessed, or to let weak ones in."""

SABOTAGE = {
    "pam.lock-out": "sed -i 's/^deny.*/deny = 100/' /etc/security/faillock.conf",
    "pam.password-quality": "printf 'minlen = 6\\ndictcheck = 0\\nmaxrepeat = 0\\nmaxsequence = 0\\n'"
    " >/etc/security/pwquality.conf.d/zzz-easy.conf",
    "pam.password-history": "sed -i '/pam_pwhistory.so/d' /etc/pam.d/common-password",
    "pam.su-restricted": "sed -i '/pam_wheel.so/d' /etc/pam.d/su",
}

TOGETHER = True
