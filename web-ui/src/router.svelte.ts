import { parseRoute, type Route } from './model/route';

/** The route of the address bar. */
class Router {
  route = $state.raw<Route>(parseRoute(location.hash));

  start(): void {
    window.addEventListener('hashchange', () => {
      this.route = parseRoute(location.hash);
    });
  }

  go(to: string): void {
    location.hash = to;
  }

  /** Changes the address without a new entry in the history. */
  replace(to: string): void {
    history.replaceState(null, '', to);
    this.route = parseRoute(to);
  }
}

export const router = new Router();
