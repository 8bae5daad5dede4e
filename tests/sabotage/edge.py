"""Ways in which a hurried administrator undoes the edge's protection."""

CONFIGURATION = "/etc/nginx/nginx.conf"
RELOAD = "nginx -t -q && systemctl reload nginx.service"


def edit(expression: str) -> str:
    """Return the command that edits the edge's configuration and has it read."""
    return f"""sed -i '{expression}' {CONFIGURATION}; {RELOAD}"""


WEAK = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"

TOGETHER = True

SABOTAGE = {
    "edge.tls-versions": edit(
        f"s/ssl_protocols .*/ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;/; s/ssl_ciphers /&{WEAK}:/"
    ),
    "edge.tls-ciphers": edit("s/ssl_ciphers /&ECDHE-ECDSA-AES128-SHA256:/"),
    "edge.tls-groups": edit("s/ssl_ecdh_curve /&secp521r1:/"),
    # The neighbour's certificate: of the right authority, for another name.
    "edge.certificate": f"cd /etc/hedgerow/tls; cat postgres.crt >edge.crt; cat postgres.key >edge.key; {RELOAD}",
    "edge.hsts": edit("s/max-age=63072000/max-age=300/"),
    "edge.plain-http-redirected": edit("s|return 301 .*|return 200 hello;|"),
    "edge.headers": edit("/add_header X-Content-Type-Options/d"),
    # A short way to the login page, without its allow-list.
    "edge.interface-sources": edit("/^ *location \\/ {/i location = /login { proxy_pass http://10.90.0.10:8000; }"),
    "edge.client-certificates": edit("/auth_request/d"),
    # Without their end, paths of events are the beginning of many others.
    "edge.ingest-sources": edit("s#|/capture)(?:/|$)#|/capture)#"),
    "edge.sign-up-closed": edit("s#(?:/signup|#(?:/no-sign-up|#"),
    "edge.sharing-closed": edit("s#|/shared|#|#"),
    "edge.no-version": edit("s/server_tokens off;/server_tokens on;/"),
    "edge.log-without-phi": edit('s/"path":"$path"/"path":"$request_uri"/'),
    "edge.requests-bounded": edit("/limit_req zone=login/d"),
    "edge.forwarded-for-overwritten": edit(
        "s/X-Forwarded-For $remote_addr;/X-Forwarded-For $proxy_add_x_forwarded_for;/"
    ),
    "edge.back-pressure": "systemctl disable -q --now hedgerow-pressure.service",
    "edge.confined": (
        "sed -i 's/^ProtectSystem=.*/ProtectSystem=no/' /etc/systemd/system/nginx.service.d/hedgerow.conf;"
        " systemctl daemon-reload; systemctl restart nginx.service"
    ),
    "edge.unknown-names-refused": edit("s/return 444;/return 200 hello;/"),
}

COMPANIONS = {
    # Without anything in its way, not even the question for a certificate.
    "edge.interface-sources": {"edge.client-certificates"},
    # What old versions need is a cipher of their time, which TLS 1.2 then takes as well.
    "edge.tls-versions": {"edge.tls-ciphers"},
}
