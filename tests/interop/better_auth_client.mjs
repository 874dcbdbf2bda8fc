// better-auth's own client, unmodified, at a server: up, in and out.
//
//   node better_auth_client.mjs SERVER BASE_PATH KEEPS EMAIL PASSWORD STEP...
//
// KEEPS is `cookies`, in a jar as a browser has one, or `token`, as its bearer plugin's docs have it.
// A STEP is signUp, signIn, getSession or signOut. Prints as JSON what the client gave for each.
import { createAuthClient } from "better-auth/client";
import makeFetchCookie from "fetch-cookie";

const [server, basePath, keeps, email, password, ...steps] = process.argv.slice(2);

let token = "";
const ways = {
  // A browser says where a page is from.
  cookies: { customFetchImpl: makeFetchCookie(fetch), headers: { Origin: server } },
  token: {
    auth: { type: "Bearer", token: () => token },
    onSuccess: ({ response }) => {
      token = response.headers.get("set-auth-token") ?? token;
    },
  },
};
const auth = createAuthClient({ baseURL: server, basePath, fetchOptions: ways[keeps] });

const given = [];
for (const step of steps) {
  given.push(
    await {
      signUp: () => auth.signUp.email({ name: "Ada", email, password }),
      signIn: () => auth.signIn.email({ email, password }),
      getSession: () => auth.getSession(),
      signOut: () => auth.signOut(),
    }[step](),
  );
}
console.log(JSON.stringify(given));
