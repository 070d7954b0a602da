/**
 * As little of a Lambda runtime as a process can be: it asks for events and does what they say, as `{ "do": "answer" }`.
 * `hang` never answers, `die` ends the process, `fail` answers with an error, and all else is answered with how often it was asked.
 */
const { AWS_LAMBDA_RUNTIME_API: address = '' } = process.env;
const url = `http://${address}/2018-06-01/runtime/invocation`;
const tell = (path: string, body: unknown): Promise<unknown> =>
  fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) }).then((answer) => answer.text());

for (let count = 1; ; count += 1) {
  const next = await fetch(`${url}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  const { do: what } = (await next.json()) as { readonly do?: string };
  if (what === 'die') process.exit(1);
  if (what === 'hang') await new Promise((resolve) => setTimeout(resolve, 600_000));
  if (what === 'fail') await tell(`${id}/error`, { errorType: 'Error', errorMessage: 'no' });
  else await tell(`${id}/response`, { pid: process.pid, count, address });
}
