import type { Calls } from "./calls.ts";
import { http } from "./library.ts";
import { pageShape, type Shape } from "./shapes.ts";

/**
 * A list of the API: where it is, what narrows it, and the field of the answer that holds its items. `path` is the
 * route with its parameters; when it is not given, the route has none.
 */
export type List<T> = {
  readonly route: string;
  readonly path?: string;
  readonly key: string;
  readonly item: Shape<T>;
  readonly params?: Readonly<Record<string, string>>;
};

const LARGEST_PAGE = 200;
const MOST_PAGES = 100;

/**
 * All items of a list, over all its pages. An answer of another form, or with fewer items than it announces, is
 * a fault: half a list would look like machines that are gone.
 * @param end when it must be done, milliseconds since 1970
 */
export async function listAll<T>(
  calls: Calls,
  { route, path = route, key, item, params }: List<T>,
  end: number,
): Promise<T[]> {
  const ask = { method: "GET", route } as const;
  const items: T[] = [];
  for (let page = 1; page <= MOST_PAGES; page++) {
    const body = await calls.untilAnswered(
      {
        ...ask,
        request: async () =>
          (await http.get<unknown>(path, { params: { ...params, page, per_page: LARGEST_PAGE } })).data,
      },
      end,
    );
    if (!pageShape.fits(body)) throw calls.misshapen(ask, pageShape.misfit(body));
    const found = (body as Readonly<Record<string, unknown>>)[key];
    if (!Array.isArray(found)) throw calls.misshapen(ask, `${key} is no list`);
    for (const value of found as unknown[]) {
      if (!item.fits(value)) throw calls.misshapen(ask, `in ${key}, ${item.misfit(value)}`);
      items.push(value);
    }
    const next = body.links?.pages?.next;
    if (next === undefined) {
      if (items.length < body.meta.total) throw calls.misshapen(ask, `${items.length} of ${body.meta.total} ${key}`);
      return items;
    }
    // Only the number is taken from the link, never its host: the token is sent nowhere else.
    if (pageOf(next) !== page + 1) throw calls.misshapen(ask, `page ${page} is followed by ${next}`);
  }
  throw calls.misshapen(ask, `more than ${MOST_PAGES} pages`);
}

function pageOf(link: string): number | undefined {
  return URL.canParse(link, "http://localhost")
    ? Number(new URL(link, "http://localhost").searchParams.get("page"))
    : undefined;
}
