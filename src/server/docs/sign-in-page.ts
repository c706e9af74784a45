import type { FastifyReply, FastifyRequest } from 'fastify'
import { hash } from '../../core/hash.ts'
import type { Refusal, RefusalCode } from '../../core/refusal.ts'
import { closeOverBody } from '../../fastify/answer-problem.ts'
import { sendPage } from '../http/answers.ts'

const style = `
:root{color-scheme:light dark;--ink:#14213d;--page:#f4f6fb;--card:#fff;--line:#c5cee0;--accent:#2447b8;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf6;--page:#10141f;--card:#1a2030;--line:#3a4460;--accent:#8fa8ff;--bad:#ff9a90}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:26rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .25rem;font-size:1.375rem}
p{margin:0 0 1.25rem}
label{display:block;margin-bottom:.375rem;font-weight:600}
input{width:100%;padding:.625rem .75rem;font:inherit;color:inherit;background:var(--page);border:1px solid var(--line);border-radius:.5rem}
button{width:100%;margin-top:1rem;padding:.625rem;font:inherit;font-weight:600;color:var(--card);background:var(--accent);border:0;border-radius:.5rem;cursor:pointer}
input:focus-visible,button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.bad{color:var(--bad);font-weight:600}
`

/** Nothing but the style above may be loaded, and the form goes here only. */
const policy = `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; form-action 'self'`

/** What another key may help against: no key, or a session whose key is of no use any more. */
const signInCodes: ReadonlySet<RefusalCode> = new Set([
  'key_missing',
  'key_revoked',
  'key_expired',
  'key_disabled',
  'key_not_yet_valid',
])

/**
 * Answers the refusal of a page with a form to sign in, where a browser asks for the page. Its
 * status and challenge stay.
 *
 * @returns whether it answered
 */
export function answerWithSignIn(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): boolean {
  if (!signInCodes.has(refusal.code) || !isPage(request)) return false
  void sendSignIn(request, reply, refusal, request.is404 ? '/' : request.url)
  return true
}

/**
 * Sends the form, with the refusal's status; `next` is where the browser goes once it has signed
 * in.
 */
export function sendSignIn(
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Refusal,
  next: string,
): FastifyReply {
  closeOverBody(request, reply)
  reply.code(refusal.status).headers(refusal.headers)
  // Under `no-referrer` browsers would send the form with `Origin: null`, as another site's form
  // would.
  return sendPage(reply, formatPage(refusal, next), policy, 'same-origin')
}

/** A page is what a session opens, or an unknown path, when a browser navigates to it. */
function isPage(request: FastifyRequest): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const { guard } = request.routeOptions.config
  const isForBrowsers = request.is404 || (typeof guard === 'object' && guard.session === 'read')
  return isForBrowsers && request.headers.accept?.includes('text/html') === true
}

function formatPage(refusal: Refusal, next: string): string {
  const isFirst = refusal.code === 'key_missing'
  const message = isFirst
    ? '<p>Paste an API key of this server. The browser is signed in for 12 hours.</p>'
    : `<p class="bad" id="why" role="alert">${escapeHtml(refusal.message)}</p>`
  const invalid = isFirst ? '' : ' aria-invalid="true" aria-describedby="why"'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in – Modelward</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Sign in to Modelward</h1>
${message}
<form method="post" action="/session">
<input type="hidden" name="next" value="${escapeHtml(next)}">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" required autofocus${invalid}>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
