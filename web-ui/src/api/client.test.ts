import { afterEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError, errorFrom } from './client';

function answer(status: number, body: string) {
  return vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body === '' ? null : body, { status }));
}

function asked(spy: ReturnType<typeof answer>) {
  const [url, init] = spy.mock.calls[0] ?? [];
  return { url: String(url), method: init?.method, body: init?.body };
}

afterEach(() => vi.restoreAllMocks());

describe('a request', () => {
  it('names an app by its path, escaping each part', async () => {
    const spy = answer(200, '{"app": {}}');
    await api.app('/shop/web 1');
    expect(asked(spy)).toMatchObject({ url: '/v2/apps/shop/web%201', method: 'GET' });
  });

  it('for the tree asks for counts and deployments, and not for tasks', async () => {
    const spy = answer(200, '{}');
    await api.tree();
    expect(asked(spy).url).toBe(
      '/v2/groups?embed=group.groups&embed=group.apps&embed=group.apps.counts&embed=group.apps.deployments',
    );
  });

  it('that destroys does not override locks unless told, although the server would', async () => {
    const spy = answer(200, '{}');
    await api.destroyApp('/a');
    expect(asked(spy)).toMatchObject({ url: '/v2/apps/a?force=false', method: 'DELETE' });
  });

  it('that edits replaces the whole definition', async () => {
    const spy = answer(200, '{}');
    await api.replaceApp('/a', { cmd: 'true' });
    expect(asked(spy)).toMatchObject({ url: '/v2/apps/a?force=false&partialUpdate=false', method: 'PUT', body: '{"cmd":"true"}' });
  });

  it('for the size of a file names no offset', async () => {
    const spy = answer(200, '{"data": "", "offset": 12}');
    await api.file('a.instance-1._app.1', 'stdout');
    expect(asked(spy).url).toBe('/v2/tasks/a.instance-1._app.1/files/stdout');
  });

  it('may be answered without a body', async () => {
    answer(204, '');
    await expect(api.resetDelay('/a')).resolves.toBeUndefined();
  });

  it('that gets no answer fails with status 0', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('refused'));
    await expect(api.info()).rejects.toMatchObject({ status: 0, message: 'The server cannot be reached.' });
  });

  it('that is refused fails with what the server said', async () => {
    answer(404, `{"message": "App '/a' does not exist"}`);
    await expect(api.app('/a')).rejects.toMatchObject({ status: 404, message: "App '/a' does not exist" });
  });

  it('that is answered by something else than JSON says so', async () => {
    answer(200, '<html>');
    await expect(api.info()).rejects.toBeInstanceOf(ApiError);
  });
});

describe('an error body', () => {
  it('of a lock names the deployments', () => {
    const error = errorFrom(409, '{"message": "locked", "deployments": [{"id": "d1"}]}');
    expect([error.locked, error.deployments]).toEqual([true, ['d1']]);
  });

  it('of a duplicate is no lock', () => {
    expect(errorFrom(409, '{"message": "exists"}').locked).toBe(false);
  });

  it('of a validation keeps paths and texts', () => {
    const error = errorFrom(422, '{"message": "m", "details": [{"path": "/cpus", "errors": ["error.min"]}]}');
    expect(error.details).toEqual([{ path: '/cpus', errors: ['error.min'] }]);
  });

  it('may have its details as one text', () => {
    expect(errorFrom(400, '{"message": "m", "details": "at 3"}').details).toEqual([{ path: '', errors: ['at 3'] }]);
  });

  it.each(['<html>', '', 'null', '[]', '{"message": null}'])('%j of a proxy still gives a message', (body) => {
    expect(errorFrom(502, body).message).toBe('The server answered with status 502.');
  });
});
