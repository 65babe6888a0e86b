// Passkeys: the browser's WebAuthn calls, in the JSON form that the server speaks (WebAuthn Level 3, 5.1.9 and 5.1.10).

export const arePasskeysPossible = () =>
  typeof globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

/** Asks the authenticator for a new passkey. Throws PasskeyDeclined where the person or the device said no. */
export const createPasskey = (options) =>
  asked(() => navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
  }));

/** Asks for any passkey of this place. Throws PasskeyDeclined. */
export const usePasskey = (options) =>
  asked(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));

export class PasskeyDeclined extends Error {
  constructor(cause) {
    super(
      cause?.name === "InvalidStateError"
        ? "This device has a passkey for your account already."
        : "No passkey was used. You can try again.",
      { cause },
    );
  }
}

async function asked(question) {
  try {
    return (await question()).toJSON();
  } catch (error) {
    throw new PasskeyDeclined(error);
  }
}
