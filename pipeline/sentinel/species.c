#include "pipeline/sentinel/species.h"

#include <string.h>

const struct nj_species nj_species[NJ_SPECIES_COUNT] = {
    {"aardvark", "Aardvark", "Orycteropus afer", "Muhanga"},
    {"aardwolf", "Aardwolf", "Proteles cristata", "Fisi mdogo"},
    {"baboon", "Baboon", "Papio anubis", "Nyani"},
    {"batEaredFox", "Bat-eared fox", "Otocyon megalotis", "Mbweha masikio"},
    {"buffalo", "African buffalo", "Syncerus caffer", "Nyati"},
    {"bushbuck", "Bushbuck", "Tragelaphus scriptus", "Pongo"},
    {"caracal", "Caracal", "Caracal caracal", "Simbamangu"},
    {"cheetah", "Cheetah", "Acinonyx jubatus", "Duma"},
    {"civet", "African civet", "Civettictis civetta", "Fungo"},
    {"dikDik", "Dik-dik", "Madoqua kirkii", "Dikdiki"},
    {"eland", "Eland", "Tragelaphus oryx", "Pofu"},
    {"elephant", "African elephant", "Loxodonta africana", "Tembo"},
    {"gazelleGrants", "Grant's gazelle", "Nanger granti", "Swala granti"},
    {"gazelleThomsons", "Thomson's gazelle", "Eudorcas thomsonii", "Swala tomi"},
    {"genet", "Genet", "Genetta genetta", "Kanu"},
    {"giraffe", "Giraffe", "Giraffa camelopardalis", "Twiga"},
    {"guineaFowl", "Guinea fowl", "Numida meleagris", "Kanga"},
    {"hare", "Hare", "Lepus", "Sungura"},
    {"hartebeest", "Hartebeest", "Alcelaphus buselaphus", "Kongoni"},
    {"hippopotamus", "Hippopotamus", "Hippopotamus amphibius", "Kiboko"},
    {"honeyBadger", "Honey badger", "Mellivora capensis", "Nyegere"},
    {"hyenaSpotted", "Spotted hyena", "Crocuta crocuta", "Fisi madoa"},
    {"hyenaStriped", "Striped hyena", "Hyaena hyaena", "Fisi miraba"},
    {"impala", "Impala", "Aepyceros melampus", "Swala pala"},
    {"jackal", "Jackal", "Canidae (jackals)", "Bweha"},
    {"koriBustard", "Kori bustard", "Ardeotis kori", "Tandawala mkubwa"},
    {"leopard", "Leopard", "Panthera pardus", "Chui"},
    {"lionFemale", "Lioness", "Panthera leo", "Simba jike"},
    {"lionMale", "Male lion", "Panthera leo", "Simba dume"},
    {"mongoose", "Mongoose", "Herpestidae", "Nguchiro"},
    {"ostrich", "Ostrich", "Struthio camelus", "Mbuni"},
    {"otherBird", "Unspecified bird", "Aves", "Ndege mwingine"},
    {"porcupine", "Porcupine", "Hystrix cristata", "Nungunungu"},
    {"reedbuck", "Reedbuck", "Redunca", "Tohe"},
    {"reptiles", "Reptile", "Reptilia", "Reptilia"},
    {"rhinoceros", "Rhinoceros", "Diceros bicornis", "Kifaru"},
    {"rodents", "Rodent", "Rodentia", "Wanyama wagugunaji"},
    {"secretaryBird", "Secretary bird", "Sagittarius serpentarius", "Karani tamba"},
    {"serval", "Serval", "Leptailurus serval", "Mondo"},
    {"topi", "Topi", "Damaliscus lunatus", "Nyamera"},
    {"vervetMonkey", "Vervet monkey", "Chlorocebus pygerythrus", "Tumbili"},
    {"warthog", "Warthog", "Phacochoerus africanus", "Ngiri"},
    {"waterbuck", "Waterbuck", "Kobus ellipsiprymnus", "Kuro"},
    {"wildcat", "African wildcat", "Felis lybica", "Paka pori"},
    {"wildebeest", "Wildebeest", "Connochaetes taurinus", "Nyumbu"},
    {"zebra", "Plains zebra", "Equus quagga", "Punda milia"},
    {"zorilla", "Zorilla", "Ictonyx striatus", "Zorila"},
};

int nj_species_index(const char *label)
{
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        if (!strcmp(nj_species[i].label, label))
            return i;
    return -1;
}
