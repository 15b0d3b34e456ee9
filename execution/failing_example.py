"""Greets, and fails at first: an example to practise a repair on. Its directive says how."""
import doe


def main() -> None:
    doe.validate()
    payload = doe.payload()
    print(f'the payload has the keys: {", ".join(sorted(payload))}')
    greeting = payload['greting']
    doe.result({'message': f'{greeting}, {payload.get("name", "world")}!'})


if __name__ == '__main__':
    main()
