"""The words of the simulated world: categories, brands, tastes. Public, invented, fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Category:
    """A category of goods.

    packs:   pack sizes in `unit`, the middle one lasts a household of two `cycle` days
    price:   of the middle pack
    appeal:  relative demand over all persons
    breadth: relative number of items, at equal appeal
    gated:   only persons in a segment that names it buy it regularly
    """

    name: str
    department: str
    unit: str
    packs: tuple[float, ...]
    price: float
    cycle: float
    appeal: float
    breadth: float
    variants: tuple[str, ...]
    consumable: bool = True
    gated: bool = False


def _department(name: str, rows: str, *, gated: bool = False, consumable: bool = True) -> list[Category]:
    parsed = []
    for row in rows.strip().splitlines():
        title, packs, unit, price, cycle, appeal, breadth, variants = (
            part.strip() for part in row.split("|")
        )
        parsed.append(
            Category(
                title,
                name,
                unit,
                tuple(float(pack) for pack in packs.split()),
                float(price),
                float(cycle),
                float(appeal),
                float(breadth),
                tuple(variant.strip() for variant in variants.split(",")),
                consumable,
                gated,
            )
        )
    return parsed


# name | packs | unit | price | cycle in days | appeal | breadth | variants
CATEGORIES: Final[tuple[Category, ...]] = (
    *_department(
        "Dairy & bakery",
        """
        milk | 0.5 1 2 | l | 1.2 | 6 | 5.0 | 0.8 | Whole, Semi-skimmed, Skimmed, Lactose-free, Farm
        yoghurt | 150 500 1000 | g | 1.6 | 8 | 2.4 | 1.3 | Plain, Strawberry, Vanilla, Greek, Blueberry, Skyr
        cheese | 150 250 400 | g | 3.2 | 13 | 2.2 | 1.3 | Mild, Mature, Sliced, Grated, Goat, Soft
        butter | 125 250 500 | g | 2.4 | 18 | 1.5 | 0.6 | Salted, Unsalted, Spreadable, Light
        eggs | 6 10 12 | pieces | 2.8 | 10 | 2.2 | 0.4 | Free-range, Barn, Large, Organic
        bread | 400 750 1000 | g | 2.2 | 5 | 3.8 | 1.0 | White, Wholemeal, Rye, Sourdough, Toast
        rolls | 4 6 10 | pieces | 1.9 | 6 | 1.6 | 0.6 | Crusty, Seeded, Soft, Wholemeal
        cakes | 250 400 600 | g | 3.4 | 18 | 0.9 | 0.9 | Lemon, Chocolate, Carrot, Marble, Apple
        """,
    ),
    *_department(
        "Fruit & vegetables",
        """
        bananas | 4 6 8 | pieces | 1.5 | 5 | 4.2 | 0.25 | Classic, Organic, Fair
        apples | 4 6 10 | pieces | 2.3 | 8 | 2.2 | 0.5 | Red, Green, Crisp, Sweet, Organic
        tomatoes | 250 500 1000 | g | 2.0 | 7 | 2.2 | 0.5 | Vine, Cherry, Plum, Organic
        salad | 100 200 300 | g | 1.7 | 6 | 1.9 | 0.7 | Rocket, Iceberg, Mixed, Baby Leaf, Spinach
        potatoes | 1 2 4 | kg | 2.2 | 13 | 1.7 | 0.4 | Waxy, Floury, New, Organic
        """,
    ),
    *_department(
        "Meat & fish",
        """
        chicken | 300 500 1000 | g | 5.5 | 8 | 2.0 | 0.9 | Breast, Thigh, Whole, Free-range, Wings
        minced meat | 250 400 800 | g | 4.4 | 10 | 1.5 | 0.6 | Beef, Pork, Lean, Mixed
        sausages | 200 300 500 | g | 3.3 | 12 | 1.3 | 0.9 | Pork, Poultry, Smoked, Herb, Chorizo
        fish | 200 300 500 | g | 6.0 | 13 | 1.1 | 0.9 | Salmon, Cod, Smoked, Tuna, Trout
        meat alternatives | 150 200 400 | g | 3.4 | 10 | 1.0 | 0.8 | Tofu, Burger, Mince, Sausage, Tempeh
        """,
    ),
    *_department(
        "Pantry",
        """
        pasta | 250 500 1000 | g | 1.5 | 16 | 1.8 | 1.1 | Penne, Spaghetti, Fusilli, Wholewheat, Lasagne
        rice | 500 1000 2000 | g | 2.4 | 32 | 0.9 | 0.7 | Basmati, Jasmine, Brown, Risotto, Parboiled
        tinned vegetables | 200 400 800 | g | 1.1 | 16 | 1.3 | 1.1 | Tomatoes, Chickpeas, Sweetcorn, Lentils
        cooking oil | 500 750 1000 | ml | 5.0 | 40 | 0.9 | 0.7 | Olive, Sunflower, Rapeseed, Virgin Olive
        breakfast cereals | 375 500 750 | g | 3.0 | 15 | 1.4 | 1.2 | Muesli, Corn, Oat, Granola, Bran
        flour & baking | 500 1000 1500 | g | 1.6 | 26 | 0.8 | 0.9 | Plain, Strong, Wholemeal, Spelt
        sauces | 250 400 700 | g | 2.3 | 20 | 1.2 | 1.3 | Pesto, Soy, Tomato, Curry, Ketchup
        spreads | 200 350 500 | g | 2.9 | 22 | 1.0 | 1.0 | Honey, Peanut, Jam, Hazelnut, Marmalade
        """,
    ),
    *_department(
        "Drinks",
        """
        water | 6 12 24 | bottles | 3.2 | 8 | 1.9 | 0.7 | Still, Sparkling, Medium, Lemon
        juice | 0.5 1 1.5 | l | 2.2 | 8 | 1.6 | 1.1 | Orange, Apple, Multivitamin, Grapefruit, Cranberry
        soft drinks | 4 6 12 | cans | 3.9 | 9 | 1.8 | 1.2 | Cola, Lemonade, Orange, Zero, Ginger
        beer | 4 6 12 | bottles | 6.2 | 10 | 1.4 | 1.2 | Lager, Pale Ale, Wheat, Alcohol-free, Stout
        wine | 0.375 0.75 1.5 | l | 7.4 | 14 | 1.2 | 1.6 | Red, White, Rosé, Sparkling, Reserve
        plant drinks | 0.5 1 1.5 | l | 2.3 | 8 | 1.0 | 0.8 | Oat, Soy, Almond, Coconut, Barista
        """,
    ),
    *_department(
        "Coffee, tea & sweets",
        """
        coffee | 250 500 1000 | g | 7.0 | 18 | 1.8 | 1.3 | Dark Roast, Mild, Espresso, Decaf, Ground
        coffee capsules | 10 20 40 | pieces | 6.4 | 15 | 1.0 | 1.1 | Intenso, Lungo, Ristretto, Decaf, Vanilla
        tea | 20 40 80 | bags | 2.7 | 30 | 1.0 | 1.2 | Green, Black, Peppermint, Camomile, Rooibos
        chocolate | 100 200 300 | g | 2.1 | 10 | 1.7 | 1.4 | Milk, Dark, Hazelnut, White, Caramel, Sea Salt
        biscuits | 150 250 400 | g | 2.0 | 12 | 1.5 | 1.2 | Butter, Oat, Chocolate, Ginger, Wafer
        crisps | 100 175 250 | g | 2.1 | 10 | 1.5 | 1.2 | Salted, Paprika, Vinegar, Chilli, Tortilla
        """,
    ),
    *_department(
        "Frozen",
        """
        frozen pizza | 1 2 3 | pieces | 3.5 | 12 | 1.3 | 1.0 | Margherita, Salami, Spinach, Four Cheese, Tuna
        frozen vegetables | 300 600 1000 | g | 2.5 | 16 | 1.2 | 0.9 | Peas, Spinach, Broccoli, Mixed, Beans
        ice cream | 450 900 1200 | ml | 4.2 | 16 | 1.1 | 1.1 | Vanilla, Chocolate, Strawberry, Cookie, Mango
        ready meals | 350 400 800 | g | 4.1 | 7 | 1.3 | 1.2 | Lasagne, Curry, Noodle, Paella, Stew
        """,
    ),
    *_department(
        "Baby",
        """
        nappies | 24 44 88 | pieces | 11.5 | 8 | 1.6 | 1.0 | Newborn, Size 2, Size 3, Size 4, Size 5
        infant formula | 400 800 1200 | g | 16.0 | 9 | 1.0 | 0.7 | First, Follow-on, Growing-up, Gentle
        baby food | 100 190 400 | g | 1.3 | 4 | 1.4 | 1.1 | Carrot, Apple, Pumpkin, Pear, Porridge
        baby wipes | 56 112 224 | pieces | 3.4 | 10 | 1.1 | 0.6 | Sensitive, Aloe, Water, Scented
        """,
        gated=True,
    ),
    *_department(
        "Pets",
        """
        cat food | 400 1200 2400 | g | 5.2 | 7 | 2.0 | 1.2 | Chicken, Salmon, Beef, Kitten, Senior
        cat litter | 5 10 20 | l | 6.5 | 13 | 0.9 | 0.6 | Clumping, Natural, Fine, Scented
        dog food | 800 2000 5000 | g | 8.5 | 9 | 1.7 | 1.1 | Chicken, Beef, Lamb, Puppy, Senior
        dog treats | 100 200 400 | g | 3.1 | 12 | 0.8 | 0.7 | Dental, Chew, Biscuit, Training
        """,
        gated=True,
    ),
    *_department(
        "Household",
        """
        detergent | 20 40 60 | washes | 8.9 | 36 | 1.0 | 1.0 | Universal, Colour, Sensitive, White, Sport
        dishwasher tablets | 25 40 80 | pieces | 8.0 | 33 | 0.8 | 0.7 | Classic, All-in-one, Lemon, Eco
        toilet paper | 8 16 24 | rolls | 6.5 | 22 | 1.6 | 0.7 | Soft, Recycled, Three-ply, Four-ply
        kitchen rolls | 2 4 8 | rolls | 3.6 | 24 | 1.0 | 0.5 | Strong, Recycled, Printed
        cleaners | 500 750 1000 | ml | 3.0 | 36 | 0.9 | 1.0 | Bathroom, Kitchen, Glass, Universal, Eco
        """,
    ),
    *_department(
        "Personal care",
        """
        shampoo | 200 300 500 | ml | 4.1 | 40 | 1.0 | 1.3 | Repair, Volume, Anti-dandruff, Mild, Colour
        shower gel | 200 250 500 | ml | 2.6 | 30 | 1.0 | 1.2 | Fresh, Sensitive, Citrus, Lavender, Sport
        toothpaste | 50 75 125 | ml | 2.6 | 34 | 1.0 | 0.8 | Mint, Whitening, Sensitive, Herbal
        deodorant | 50 75 150 | ml | 3.4 | 40 | 0.8 | 1.0 | Fresh, Invisible, Sensitive, Sport
        skin care | 50 75 200 | ml | 9.5 | 45 | 0.8 | 1.3 | Day, Night, Hand, Sun, Body
        """,
    ),
    *_department(
        "Home & leisure",
        """
        kitchenware | 1 2 4 | pieces | 14.0 | 120 | 0.35 | 1.0 | Pan, Bowl, Knife, Glass, Board
        toys | 1 2 3 | pieces | 16.0 | 120 | 0.35 | 1.0 | Puzzle, Blocks, Plush, Game, Car
        stationery | 1 3 10 | pieces | 4.0 | 90 | 0.3 | 0.8 | Notebook, Pen, Card, Marker
        """,
        consumable=False,
    ),
)

_BRAND_NAMES = """
    Almera Alpenhof Amberley Arbola Avenna Bakkers Belmonte Birkdale Bluefield Bonvida Brightwell
    Calanda Caravel Casarossa Cedarvale Cimarron Clearbrook Colline Corvina Dalmore Delvaux Dovelin
    Eastbourne Elmhurst Evenrise Fairholm Falkner Fenwick Florelle Fontara Galliano Gardenia Glenmoor
    Goldacre Greenleaf Halden Harbourside Hazelwick Highcroft Ilvera Inverlea Jardine Juniper Kestrel
    Kindred Lakeland Lavanda Linfield Lumora Maribel Meadowlark Merrin Millbank Montclair Nordlys
    Northcote Oakhill Olivar Orchard Ostara Pampero Pellini Pinecrest Portobay Quillan Ravello Redfern
    Rivermead Rosalba Rowanberry Saffron Sandhurst Silverbirch Solana Stellan Sunhill Tamarind Thornbury
    Valdora Verano Wexford Whitcombe Willowby Winterhall
"""
BRANDS: Final[tuple[str, ...]] = tuple(_BRAND_NAMES.split())


@dataclass(frozen=True)
class Segment:
    """A kind of household: how common it is, how it multiplies category demand, and its lean in style."""

    name: str
    share: float
    demand: dict[str, float]
    style: tuple[float, float, float] = (0.0, 0.0, 0.0)  # price tier, organic, tradition


_MEAT = {"chicken": 0.05, "minced meat": 0.04, "sausages": 0.05, "fish": 0.1}

SEGMENTS: Final[tuple[Segment, ...]] = (
    Segment(
        "young family",
        0.16,
        {"nappies": 60, "infant formula": 50, "baby food": 60, "baby wipes": 60, "toys": 4},
    ),
    Segment("cat owner", 0.21, {"cat food": 60, "cat litter": 60}),
    Segment("dog owner", 0.17, {"dog food": 60, "dog treats": 60}),
    Segment("coffee lover", 0.28, {"coffee": 5, "biscuits": 2, "milk": 1.5, "tea": 0.3}),
    Segment("capsule machine", 0.18, {"coffee capsules": 12, "coffee": 0.2, "chocolate": 2}),
    Segment("tea drinker", 0.20, {"tea": 7, "biscuits": 2.5, "spreads": 2, "coffee": 0.3}),
    Segment(
        "vegan",
        0.09,
        {"meat alternatives": 8, "plant drinks": 8, "milk": 0.05, "salad": 2, **_MEAT},
        (0.2, 0.9, -0.4),
    ),
    Segment(
        "health",
        0.20,
        {"salad": 3, "fish": 3, "yoghurt": 2, "breakfast cereals": 2.5, "crisps": 0.3},
        (0.2, 0.6, 0.0),
    ),
    Segment(
        "home cook",
        0.24,
        {"tinned vegetables": 3, "rice": 3.5, "cooking oil": 3, "sauces": 2.5, "ready meals": 0.2},
    ),
    Segment("baker", 0.13, {"flour & baking": 8, "butter": 3, "eggs": 2.5, "spreads": 2}, (0.0, 0.2, 0.4)),
    Segment("convenience", 0.24, {"ready meals": 5, "frozen pizza": 4.5, "ice cream": 2, "soft drinks": 2.5}),
    Segment(
        "snacker", 0.22, {"crisps": 4.5, "chocolate": 3, "soft drinks": 3, "ice cream": 2, "biscuits": 2}
    ),
    Segment("host", 0.15, {"wine": 6, "beer": 4, "cheese": 3, "crisps": 2}, (0.5, 0.0, 0.2)),
    Segment(
        "beauty", 0.16, {"skin care": 7, "shampoo": 3, "shower gel": 3, "deodorant": 3}, (0.4, 0.1, -0.2)
    ),
    Segment(
        "tidy home", 0.20, {"cleaners": 5, "detergent": 3.5, "dishwasher tablets": 3, "kitchen rolls": 3}
    ),
    Segment("thrifty", 0.25, {"pasta": 1.6, "potatoes": 1.6, "wine": 0.5}, (-0.9, -0.3, 0.0)),
    Segment(
        "meat eater", 0.25, {"minced meat": 3, "sausages": 4, "chicken": 2.5, "beer": 1.5}, (0.0, -0.4, 0.4)
    ),
)
