/** What stands between the tables of `docs/reference/gateway.md`. */

export const intro = `# The gateway

<!-- Generated from \`src/gateway\` and \`src/config/gateway\`; \`npm run docs\` writes it again. -->

The guard in front of a model server that runs already. The [guide](../guides/gateway.md) starts with two commands; this page has the tables:
[routes of each preset](#routes), [settings of an upstream](#upstreams), [errors](#errors), [broken streams](#broken-streams), [records](#records), [every way a call ends](#ends), [repeats](#repeats), and [jobs](#jobs).

## Routes

A path that is not in the table of its preset or in \`allow\` is closed: without a key 401; with one, 403 \`route_closed\` where it is the upstream's own management, 404 \`not_found\` anywhere else, 405 with a wrong
method. Paths are compared letter by letter: \`//\`, \`.\`, \`..\` and encoded separators match nothing. The query is not forwarded, and upgrades are refused. The server's own routes win: \`/health\`, \`/metrics\`, \`/docs\`, \`/jobs\`, \`/v1/keys\`, \`/v1/ledger\`, \`/v1/usage\` and so on.
\`modelward gateway routes\` lists what your configuration opens.

*its model's*: \`predict\`, or \`predict:NAME\` with the model's public name in lower case. *any \`predict…\`*: one of them, whichever. A closed field is 422 \`input_invalid\` unless it is null, absent or in \`allowFields\`.
¹ The gateway answers it itself, with the public names that the key may use. ² Written where a limit counts tokens and the client has set no bound; of several that are there the larger counts.`

export const introOfUpstreams = `## Upstreams

\`--upstream URL --preset NAME\` is one upstream, called \`upstream\`, with these defaults. Several stand in the file, under \`upstreams\`; see also [\`models\`](config.md#models), [\`--gateway-body-max\` and \`--answer-max\`](config.md#gatewaybodymax).`

export const introOfErrors = `## Errors

Each route answers errors in the form that its clients read, of type \`application/json\`; unknown paths below \`/v1/\` speak \`openai\`, below \`/api/\` \`ollama\`, where such an upstream is configured, and everything else [RFC 9457](errors.md). \`code\` (in \`tgi\` \`error_type\`) is the same as everywhere. \`Retry-After\`, limit headers and \`x-request-id\` are too.
Status 429 also has \`x-should-retry: false\` where the wait is longer than 60 s or a quota is used up: OpenAI's clients ignore a longer wait. A key that is wrong is 401 in these dialects, whatever \`--invalid-key-status\` says.`

export const introOfBroken = `What the upstream itself answers:

| the upstream says | the client gets |
|---|---|
| 2xx | that |
| 4xx | status, body and \`Retry-After\` as they are; tokens only where it says some |
| 429 | the next upstream of the model; without one, the answer as it is |
| 401, 403, 407 | the next upstream; at last 502 \`upstream_failed\`, for it is the operator's credential that is wrong, and never the caller's key |
| 3xx, 5xx, not HTTP, a head above 16 KiB | the next upstream; at last 502, its 503 with its \`Retry-After\`, or 504. Its body stays here: 2 KB of it in the log, without credentials |

**Headers.** To the upstream go \`accept\`, \`anthropic-version\`, \`anthropic-beta\`, \`openai-beta\`, \`traceparent\` and \`tracestate\`, and what the gateway sets: \`content-type\`, \`content-length\`, \`host\`, \`user-agent\`, \`x-request-id\`, \`accept-encoding: identity\` and the upstream's credential; never the caller's key.
Back come \`content-type\`, \`content-language\`, \`content-encoding\`, \`retry-after\` and \`openai-processing-ms\`; its \`x-request-id\` is \`x-upstream-request-id\`. No cookie, no CORS header and no rate-limit header of its own passes.

## Broken streams

A stream is whole where its end has come. One that breaks off says so in an event of its own, and the connection closes without the last chunk of a proper end: a clean end without \`[DONE]\` is success to many clients. After the first byte no other upstream is asked.`

export const introOfRecords = `## Records

A whole answer is one \`request.admitted\`; an answer in pieces is \`request.started\` before its first byte and \`request.finished\` before its terminal event. \`detail\` of the first: \`upstream\`, \`model\`, \`reserved\` (tokens); of the last two: \`upstream\`, \`model\`, \`attempts\`, \`usage\`, \`first_ms\` (until the first byte came) and, where it is so, \`end\`, \`aborted\`, \`late\`; of a model that is not the key's, \`reason\`; of a repeat, \`repeated\`.
\`measures\`: \`requests\`, \`tokens\`, \`prompt_tokens\`, \`completion_tokens\`, and \`cached_tokens\` and \`reasoning_tokens\` where the upstream says them; tokens also where no limit counts them. No prompt, no answer and no header is recorded.`

export const conclusion = `## Ends

| how it ends | the client gets | limits | record |
|---|---|---|---|
| refused by the guard, a field, the model or a limit | the refusal | all given back | \`refused\`, or \`admitted\` with the code and 0 requests |
| the client leaves while it sends | – | the request counts | \`admitted\`, \`aborted\` |
| no upstream answers | 502, 503, 504 | the request counts, 0 tokens | \`admitted\`, code, \`attempts\` |
| the upstream's own 4xx | that | the request, and usage that it says | \`admitted\`, status |
| whole | the answer, behind its record | settled | \`admitted\` |
| whole, and the ledger is out | 503 \`ledger_unavailable\` | all given back | – |
| a stream to its end | everything; the terminal event behind \`finished\` | settled | \`started\`, \`finished\` |
| the ledger is out at a stream's start | 503 \`ledger_unavailable\` | all given back | – |
| the ledger is out at its end | all but the terminal event, then broken off | stay settled: it was delivered | \`started\`; \`finished\` is made up for when the ledger is back, \`late\` |
| the client leaves before the first byte | – | by \`abandoned\` | \`admitted\`, \`aborted\`, \`end: client\` |
| the client leaves in the middle | – | what was said, else by \`abandoned\` | \`finished\`, \`aborted\`, \`end: client\` |
| the upstream dies, stalls or takes too long | an error event, broken off | what was said, else estimated | \`finished\`, code, \`end\` |
| longer than its bound | an error event, broken off | the whole reservation | \`finished\`, \`end: overran\` |
| its key is revoked; the server closes | an error event, broken off | what was said, else estimated | \`finished\`, \`end\` |
| its node is cut off from a fleet's database for more than a minute | the answer, where the node is back when it ends | settled | \`finished\` of another node, \`late\`, \`usage: reserved\`; the node itself writes none |
| the limiter is out when it settles | the answer | the reservation stays, and is settled when the limiter is back, as long as the process lives | as measured |

Once its client has gone, a call is gone upstream: the connection there is closed at once, while it connects, before the head and in the middle.

## Repeats

With an \`Idempotency-Key\` (1 to 255 visible ASCII characters) a call that answers whole runs once: for 24 hours the same request of the same owner, the same route and the same bytes of a body, gets the first answer byte for byte, with \`Idempotency-Replayed: true\`.
A repeat counts as a request, costs no tokens, is not sent upstream, and its record says \`repeated\`. Its key needs the model's scope as the first one's did.

| case | answer |
|---|---|
| the first is under way | 409 \`idempotency_in_flight\`, \`Retry-After: 1\` |
| another body, or another route | 422 \`idempotency_mismatch\` |
| with a stream | 422 \`input_invalid\`: a stream is not answered twice |
| the first was refused, failed, or was an upstream's own 4xx | not kept: the repeat runs |
| it was larger than \`--answer-max\`, or came as a stream unasked, and so went out in pieces | not kept: the repeat runs |
| its client left | the call goes on, and the repeat gets its answer; the record says \`aborted\`, with what it used |
| its answer cannot be stored | 503 \`store_unavailable\`, 0 tokens |
| the owner's kept answers and jobs take up \`--jobs-owner-bytes\` | 429 \`storage_exhausted\`; beyond \`--jobs-max-bytes\` in all 503 \`overloaded\` |

Answers of calls under way always find room: they may take an owner beyond the bound by \`--answer-max\` for each. A server that was killed frees the idempotency keys of its calls as it starts again; of a node of a fleet that is not seen for a minute another one frees them, within a minute more. A node that was cut off for so long, and comes back, gives its callers their answers, which are not kept then; a repeat may have run meanwhile. \`GET\` and \`HEAD\` do not heed the header.

## Jobs

With \`Prefer: respond-async\` a whole call is a [job](http.md#jobs): 202, \`Location: /jobs/{id}\`, and its \`result\` is the upstream's body, a text where that is no JSON. \`model\` is the public name. With a stream it is 422 \`input_invalid\`, and a body may have \`--batch-body-max\` bytes, else 413. What is asked with \`GET\` is answered at once.

- **Tokens.** The bound is reserved when the job is accepted, or refused as of any call, and settled at its end by whichever process ends it. The record of the request has no tokens; \`job.finished\`, \`job.failed\` or \`job.cancelled\` has them, with \`usage\` as above.
- **Upstreams** are asked as by any call, each attempt anew, with the body, the output bound and the headers that were accepted; the model is looked up again. No upstream, a broken answer, 5xx, 401, 403 and 429 are failed attempts, retried as those of other jobs (\`--job-attempts\`), and no sooner than a \`Retry-After\` of up to an hour says. Its other 4xx end the job: \`error.detail\` has the first 500 characters. A call that was under way where a process closes or is killed is sent again.
- **Places.** The jobs of each upstream wait in a lane of their own, owners in turn. One process works on 32 of an upstream at once, and on half of its \`connectionsMax\` at most: they hold up neither those of another upstream nor calls that are answered at once. What waits, and its bytes and those of results, is bounded by \`--queue-max\`, \`--queue-owner-max\`, \`--jobs-owner-bytes\` and \`--jobs-max-bytes\`; what jobs under way hold in memory by \`--in-flight-max\`, beside what requests hold.
- **Taken out.** Jobs of an upstream that is taken out of the configuration wait until a process has it again, and count in \`--queue-max\` meanwhile: \`jobs.unserved\` says so at a start. \`modelward jobs list --status queued\` shows them, \`modelward jobs cancel ID\` ends one.
- **Who.** A key with any \`predict…\` reads and cancels the jobs of its owner. Where the key that made it is revoked or disabled, it is not sent upstream, and cut within a second where it runs: it has failed, with \`key_revoked\` or \`key_disabled\`. An expired key, or one that was rotated, ends no job.

| how its job ends | tokens |
|---|---|
| succeeded | what the upstream says, else estimated |
| the upstream's own 4xx | what it says, else 0 |
| dead, or failed without an answer, its key revoked before it began | 0 |
| dead, its last answer broken off; given up at a time limit, or cut for its key | as a call that ends so: estimated |
| larger than \`--answer-max\`, coded, or no text: failed | what the upstream says, else estimated |
| cancelled before it began | 0 |
| cancelled while it ran: the upstream is let go at once | the prompt, estimated; with \`abandoned: reserved\` the reservation |
| a process was killed while it ran | as the next one ends it; dead with \`lost\`, or ended without a record: all that was reserved |
| cancelled by the command line | all that was reserved |

An administrator does not retry such a job, 422: what was reserved for it has been given back or charged, so the call is sent again. A reservation that a node counted by itself while Redis was out (\`--limiter-loss share\`) stays until its window has passed.`
