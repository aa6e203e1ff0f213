//! Two RSA keys that were made for these tests and are used nowhere else: PKCS #8, base64.

/// The key that signs as CloudTrail does here.
pub(crate) const TRAIL: &str = concat!(
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDDjcFl/eFAExxhxaXPnP3cVO0YX5j+vu7ZyXQVgfyGpk6Y",
    "v1TFS2847cIMst4GWzfjx1IYI7aZ5UM3jc6H3qNkRONSjcGDhxuIfdH/ve3agClfmjk/IJup/CnTUWbrWix9J7oCh9J3e3Wk",
    "8XOyexytb1emjmD6KzORxXEknoZWqUCqcrtpj7eKky5caMTngVO9uotCtFveOwMQOihO/ES9mqlwMy2teTAq65wBY7EUjZrF",
    "OluOtc+R+B5QE0mSGiMQTmLvEAbbiCcBruVz2uCTYYi3MwvQA38vJn4RMJMnar72dv3DlUEbfihZlrZRCtuYekNtPQjv4aN7",
    "qmJeeXn5AgMBAAECggEABT4/Qbn5Y0uVNrqNvrp3BK8oPj+N7W1MH9MVcDWF16G3jhk52iJdeeQcuv9uvDKPleVfD55MLpB6",
    "6WSSyt95d7ObJA2rSG4Dxc3t0VK+gQhvqOG3MuNFGTKAIpYrpsLKWj60RONvDVy7jkUaX4jf1MydR9jIbodgVhe6TWDiDt+7",
    "MrK8Tt8gxkKojvdprcnIeYtxgjY2D9dkFbnDzdpep1bLbQnu+LqJsMa9J5SlhUhyhz31e5/tWZOJcxlbeFabNtqQlMCAy/fz",
    "/byPth2ztKGv0AyY++VXCRJHbm2qSf61TYpaM1XmopTsqTMXJAvkxrq2TUl7sAz7+MpZU8cS6QKBgQDjWswN4YmEeKFaqHbt",
    "4eT4V4UE/9fCZ2L25JuXyO15U+Lc0Lrr68QntR9jGO1zqIs4riOs7KjN6btn7XHZzGFW5HmlCqI4G+zi+8FN3F4zzkSjUkVE",
    "+gwmIB3Katg7tGkZ20PJR8b5Y9LIohvvJIpjfWsFurPKQ65pqddymHARJQKBgQDcMTxrySHb8KPiqpm5tYkvVECvqa+pv92F",
    "iWRn7pzpzqnrlPO6En2JiyCP4u4tBJMg5Blq4Bpp33hFbqEo0UsDXnENJkrcAqK526V1mJehCr5gUksuz2lcDupTPwmW2Wbn",
    "bnBPje3mIfDhe7wYIfugZSTlQ6ZD0L41v7Y3/h3/RQKBgHGIivO3l+ueLb1O+SzrrGLTmaqYdE8xP7tZB9XxUZ1P5a8tUNq1",
    "Ppwxl33uGc2y8esZEtmsyNMjECHi8gK4TDePGqvvNnjcgRwMakiObkBileYVFGBQmbaEPTwyxM5z1jRCSYR/In6xebYVNevj",
    "DHSIUeRnipbL25IKbXtdYkE9AoGAQLJWxnS6dh0mihsGQAKO5FElEHgTHRU6yVmtHryFbk1Cr+18D1gPerJeRuiugputfySG",
    "M1jVafY3KG9w+sVD/SFqpipyJGLB3UokO4EyTCcT+Mk1PfPDSUE4qG0FLEWEbsuMRFO3ar7eP+JTSePyQxZ02Mgfuh1DRhem",
    "Op13wuECgYEA0zIGpjJqSaFTHF3QmIZWQLYmA7YePnPBEchZsnMZHI/BHOvjkCMo0R7FRQbRq3cPACeEpinn1eqTJ6dzO+KR",
    "cR6IIJoL4JrbAplSf9cKjbvMuW+PmtEUbUUXbqEAuT+Q83qipK7eXfSeJLGysRk+pwM509gh5++L+kxPFTzA95g=",
);

/// A key of somebody else.
pub(crate) const FOREIGN: &str = concat!(
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCU7D+gZwmkq927RiX+XnEK2Z77Kwoct/JkLCxDiFge6RXx",
    "WzXblXs0DKqYk7AWGDhKWkuwJnq618D3f9IxNYrM7AO0OXygywY4SRzZoS4EontLwcXFeiNzf+EGJtxDtgi+oZkZfB+jXLgH",
    "DbmD6ixWKO2/gRsTaeyX/pLezGqn10iT7CLtyKxl6Qh9Yy7qkEoq7SW9Pijlj1FODiqaizSQnUv6mjwYKq2lGQLP30scPhEh",
    "O6E7+pftGNdhLU9dEe1lSKKgderS3OixT1IOKwE2+/e1bOLTFCOI17cqwFVGUr1lMTynhtcGAdL1rBqOT6smctj7EC8IJACZ",
    "gDN5NdEVAgMBAAECgf9+3RhWzMVU7WmL38uopfYmsrzRusMiiTve720bGqChtG5nmAvew7ibiS7K9lqgd9bRgEUktPhYXZ6a",
    "jjPBN/DGIUixKfJsB92ElW6+S/r9Im1mW+w0DkL6YYs7HQpcTvZOxIW9RWquVTjFdCuq9Lz6/mLf1lv6bdc0pD75uFTOJTVx",
    "aMxOlns565plqqnM2rUxqi6ud3jbqc1RGjtUhtvYKIhAnk8+OA7MQAcYdCZTeGFqUSmKq3fspdcPqDsaWynWOupP3Sjn6Syl",
    "AqWa5wnCrmRvYtcsPisLcpJheGT2IA2OsfKvsKkVrUFpitUQjEYRXtmXedTvJBODoHYhjOECgYEAyUb08pBplCqcDhBN+IQn",
    "tkFAZFARf/C5GiN7Lyv2oh865/i0ySbzYBSYmieU3Hi9akGZTp4r6Ari57+G4aT2PMdnSE7BpvrXPiwpINLUYlK4Z4q8SFtR",
    "cAkoW5TeZz/eSwK2cK8yhGbxQmBJmFdJL3ODpmImOYbozscQNNH/OnUCgYEAvWlkE0DX9SLc4QLTNagGvxfmB1qb5hrtHRI7",
    "FL/DNPqCuAscQR4uPmHe0OvPR6utNjggbAU05il79aWQ9MylgHUdm894CjQWZa+uNsUcir6jcearlZr59itTEp3Bt4VOkqWv",
    "hDXLjUkTGaAWzQVf4vX4ABFXaeuxjAcF4vXZKCECgYEAvk6N2S779HDZPl7iKgBiP+uwQ2iFM0/a5ED5/t71gdI/cwdvf+WJ",
    "JaYzp0WXdWHfzjCaEIBzCSIJ6o7nrD+55juvhumYJhZ0Hz/H31YYI6MM4jGF1nApLuIpu3WlV0BHIOs+roqoHBHtORIrY5Pc",
    "CbaRmmagt7G8O45x309Sn+UCgYEAo/1sVLMOhsGRZQsSHGGGvcoOMY3EblwfsMzI9DT26JZ/uKJ96u8bcI1B4bZYNyAvDkNX",
    "5s43N5LxLQQU1a2dGPPNF8pvjr38KjwJZIgSJxnY3tOs+RE9m2F1QiftwVucZKEorhn5SzDaZZRSSV1+4Dy/ZCeffChBBxBJ",
    "i2/5fKECgYAU3O5tcdNrmMXXKOzm7B1pOFXkHf2+KnLuUoekxl3kBiQ9RWnh0IGh0FeKJ/Fz5t9045FdxVWl8n+S9MSQFnlL",
    "iZF4g1745RuYpZrGMzDjHAp+sCCCc5fhscA5k+YLIJFHG7Ylh+teHEATF4/uIYf3uVwsUlnN5UYpm89L61hcFw==",
);
